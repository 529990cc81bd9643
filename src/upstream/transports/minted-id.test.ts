import fc from "fast-check";
import { expect, test } from "vitest";
import { LineSplitter, lineMargin } from "./line-splitter.ts";
import { findId, found, withFoundId } from "./minted-id.ts";

/** An answer as one of the SDKs writes it. */
const answers = fc.record({
  id: fc.integer({ min: 0, max: 999_999_999_999_999 }),
  callerId: fc.oneof(fc.integer(), fc.string(), fc.string({ unit: "grapheme", maxLength: 80 })),
  body: fc.oneof(
    fc.record({ result: fc.dictionary(fc.string(), fc.jsonValue()) }),
    fc.record({ error: fc.record({ code: fc.integer(), message: fc.string() }) }),
  ),
  order: fc.constantFrom("head", "tail"),
  owned: fc.boolean(),
});

test("puts the caller's id where the minted one stood and changes nothing else", () => {
  fc.assert(
    fc.property(answers, ({ id, callerId, body, order, owned }) => {
      const written =
        order === "head" ? { jsonrpc: "2.0", id, ...body } : { ...body, jsonrpc: "2.0", id };
      const text = Buffer.from(JSON.stringify(written));
      const margin = Buffer.alloc(lineMargin);
      const bytes = Buffer.concat([margin, text, margin]);
      const end = lineMargin + text.length;
      expect(findId(bytes, lineMargin, end)).toBe(true);
      expect(found.id).toBe(id);
      const answer = withFoundId(bytes, lineMargin, end, owned, JSON.stringify(callerId));
      expect(answer.toString()).toBe(JSON.stringify({ ...written, id: callerId }));
    }),
  );
});

test("does not take a request, or what only looks like an answer, for one", () => {
  const others = [
    '{"jsonrpc":"2.0","id":3,"method":"sampling/createMessage","params":{"result":1}}',
    '{"method":"roots/list","jsonrpc":"2.0","id":0}',
    '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}',
    '{"jsonrpc":"2.0","id":"7","result":{}}',
    '{"jsonrpc":"2.0","id":7.5,"result":{}}',
    '{"jsonrpc":"2.0","id":7,"result":{"text":"cut',
    '{"result":{},"jsonrpc":"2.0","id":7,"more":1}',
    '{"result":{},"jsonrpc":"2.0","id":-7}',
    '{"jsonrpc":"2.0","id":12345678901234567890,"result":{}}',
    "{}",
    "",
  ];
  const taken = others.filter((text) => findId(Buffer.from(text), 0, Buffer.byteLength(text)));
  expect(taken).toEqual([]);
});

test("lines come out whole however the stream is cut", () => {
  const line = fc
    .string({ unit: "grapheme", maxLength: 40 })
    .map((text) => text.replaceAll("\n", ""));
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(60)), (lines, cuts) => {
      const heard: string[] = [];
      const splitter = new LineSplitter(
        {
          line: (bytes, start, end) => heard.push(bytes.toString("utf8", start, end)),
          overlongBegins: () => expect.unreachable(),
          overlongEnds: () => expect.unreachable(),
          endless: () => expect.unreachable(),
        },
        10_000,
      );
      const stream = Buffer.from(lines.map((text) => `${text}\n`).join(""));
      let at = 0;
      for (const cut of cuts) {
        splitter.push(stream.subarray(at, at + cut));
        at += cut;
      }
      splitter.push(stream.subarray(at));
      expect(heard).toEqual(lines);
    }),
  );
});

test("a line over the bound is dropped, its ends shown, and the next one comes through", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 101, max: 1500 }),
      fc.integer({ min: 1, max: 400 }),
      (size, cut) => {
        const events: string[] = [];
        const splitter = new LineSplitter(
          {
            line: (bytes, start, end) => events.push(bytes.toString("utf8", start, end)),
            overlongBegins: (head) => events.push(`begins ${head.toString("utf8", 0, 4)}`),
            overlongEnds: (tail) => events.push(`ends ${tail.toString("utf8", tail.length - 4)}`),
            endless: () => events.push("endless"),
          },
          100,
        );
        const stream = Buffer.from(`before\nHEAD${"x".repeat(size)}TAIL\nafter\n`);
        for (let at = 0; at < stream.length; at += cut)
          splitter.push(stream.subarray(at, at + cut));
        expect(events).toEqual(["before", "begins HEAD", "ends TAIL", "after"]);
      },
    ),
  );
});
