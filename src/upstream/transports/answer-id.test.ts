import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { idAtInBytes, idAtInText, withIdBytes } from "./answer-id.ts";

const asciiId = fc.oneof(fc.nat(), fc.stringMatching(/^[ -~]{0,12}$/));
const anyId = fc.oneof(fc.nat(), fc.string({ maxLength: 12 }));
const writers: ((id: unknown, result: unknown) => string)[] = [
  (id, result) => JSON.stringify({ jsonrpc: "2.0", id, result }),
  (id, result) => JSON.stringify({ result, jsonrpc: "2.0", id }),
  (id, result) => JSON.stringify({ jsonrpc: "2.0", result, id }),
  (id, error) => JSON.stringify({ error, jsonrpc: "2.0", id }),
  (id, result) =>
    `{"jsonrpc": "2.0", "id": ${JSON.stringify(id)}, "result": ${JSON.stringify(result)}}\n`,
];

describe("the id of an answer", () => {
  test("is found where the SDKs write it", () => {
    fc.assert(
      fc.property(asciiId, fc.json(), fc.constantFrom(...writers), (one, content, write) => {
        const text = write(one, { content });
        const idText = JSON.stringify(one);
        const at = idAtInText(text, idText);
        expect(text.slice(at, at + idText.length)).toBe(idText);
        const bytes = Buffer.from(text);
        const byteAt = idAtInBytes(bytes, idText);
        expect(bytes.toString("latin1", byteAt, byteAt + idText.length)).toBe(idText);
      }),
    );
  });

  test("can be replaced by any other where it is found", () => {
    fc.assert(
      fc.property(
        anyId,
        anyId,
        fc.json(),
        fc.constantFrom(...writers),
        (one, id, content, write) => {
          const text = write(one, { content });
          const bytes = Buffer.from(text);
          const idText = JSON.stringify(one);
          const at = idAtInBytes(bytes, idText);
          fc.pre(at >= 0);
          const replaced = withIdBytes(bytes, at, Buffer.byteLength(idText), JSON.stringify(id));
          expect(JSON.parse(replaced.toString())).toEqual({ ...JSON.parse(text), id });
        },
      ),
    );
  });

  test.each([
    '{"jsonrpc":"2.0","id":12,"result":{}}',
    '{"jsonrpc":"2.0","id":1,"method":"ping"}',
    '{"result":{},"jsonrpc":"2.0","id":21}',
    '{"method":"x","params":{"a":1},"id":1}',
    '{"result":{"a":",\\"id\\":1}"},"jsonrpc":"2.0","id":2}',
    '{"jsonrpc":"2.0","id":1,"result":[',
    '{"result":[],"x":",\\"id\\":1}"}',
    "",
    "}",
  ])("is never found where it is another's, or only looks like one: %s", (text) => {
    expect(idAtInText(text, "1")).toBe(-1);
    expect(idAtInBytes(Buffer.from(text), "1")).toBe(-1);
  });
});
