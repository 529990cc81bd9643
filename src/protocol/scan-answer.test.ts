import fc from "fast-check";
import { expect, test } from "vitest";
import { ERROR_RESULT, LOOK_CLOSER, RESULT, answerKind } from "./scan-answer.ts";

const kindOf = (text: string, id = 1): number => answerKind(Buffer.from(text), id);

test.each([
  ['{"jsonrpc":"2.0","id":1,"result":{}}', RESULT],
  [' {"id" : 1 , "result" : {"content":[{"type":"text","text":"a\\u00e9\\n\\"b"}]} } \n', RESULT],
  ['{"result":{"isError":false,"content":[]},"id":1,"jsonrpc":"2.0"}', RESULT],
  ['{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":true}}', ERROR_RESULT],
  ['{"jsonrpc":"2.0","id":1,"result":{"a":{"isError":true}}}', RESULT],
  ['{"jsonrpc":"2.0","id":2,"result":{}}', LOOK_CLOSER],
  ['{"jsonrpc":"2.0","id":"1","result":{}}', LOOK_CLOSER],
  ['{"jsonrpc":"2.0","id":1.0,"result":{}}', LOOK_CLOSER],
  ['{"jsonrpc":"2.0","id":01,"result":{}}', LOOK_CLOSER],
  ['{"jsonrpc":"2.0","id":1,"id":1,"result":{}}', LOOK_CLOSER],
  ['{"jsonrpc":"2.0","id":1,"\\u0069d":2,"result":{}}', LOOK_CLOSER],
  ['{"jsonrpc":"2.0","id":1,"result":{},"result":{}}', LOOK_CLOSER],
  ['{"jsonrpc":"2.0","id":1,"result":[]}', LOOK_CLOSER],
  ['{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}', LOOK_CLOSER],
  ['{"jsonrpc":"2.0","id":1,"result":{"is\\u0045rror":true}}', LOOK_CLOSER],
  ['{"jsonrpc":"2.0","id":1,"result":{}', LOOK_CLOSER],
  ['{"jsonrpc":"2.0","id":1,"result":{}}}', LOOK_CLOSER],
  ['{"jsonrpc":"2.0","id":1,"result":{},}', LOOK_CLOSER],
  ["", LOOK_CLOSER],
])("%s", (text, kind) => {
  expect(kindOf(text)).toBe(kind);
});

test("whatever it takes for an answer is one", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '{"jsonrpc":"2.0","id":1,"result":{',
      '"isError":true',
      '"isError":false',
      "}}",
      "}",
      "{",
      "[",
      "]",
      ",",
      ":",
      '"',
      "\\",
      '"id":1',
      '"result":{}',
      '"error":{}',
      "-0.5e+3",
      "1e",
      "tru",
      "null",
      '"\\ud83d"',
      " ",
      "\u0001",
    ),
    fc.json({ maxDepth: 3 }),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const text = pieces.join("");
      const kind = kindOf(text);
      if (kind === LOOK_CLOSER) return;
      const value = JSON.parse(text);
      expect(value.id).toBe(1);
      expect(value).not.toHaveProperty("error");
      expect(typeof value.result).toBe("object");
      expect(kind === ERROR_RESULT).toBe(value.result.isError === true);
    }),
    { numRuns: 3_000 },
  );
});

test("it takes every plain answer for one", () => {
  const name = fc.string({ unit: fc.constantFrom("a", "B", "_", "é"), minLength: 1 });
  const result = fc.dictionary(
    name.filter((one) => one !== "isError"),
    fc.jsonValue({ maxDepth: 4 }),
  );
  fc.assert(
    fc.property(
      result,
      fc.nat(),
      fc.boolean(),
      fc.nat({ max: 3 }),
      (given, id, isError, indent) => {
        const answer = { jsonrpc: "2.0", id, result: { ...given, isError } };
        const text = JSON.stringify(answer, undefined, indent);
        expect(kindOf(text, id)).toBe(isError ? ERROR_RESULT : RESULT);
      },
    ),
  );
});
