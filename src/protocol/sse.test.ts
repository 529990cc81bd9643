import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SseOverflowError, SseParser, sseEvent, type SseEvent } from "./sse.ts";

function parse(chunks: readonly Buffer[]): SseEvent[] {
  const parser = new SseParser();
  return chunks.flatMap((chunk) => parser.push(chunk));
}

function parseText(text: string): SseEvent[] {
  return parse([Buffer.from(text)]);
}

const lines = fc.constantFrom(
  "data: {}",
  "data:x",
  "data",
  "data: größe 漢字 😀",
  "event: endpoint",
  "id: 7",
  "id: a\0b",
  "retry: 15",
  "retry: soon",
  ": comment",
  "unknown: y",
  "",
  "",
);
const endings = fc.constantFrom("\n", "\r\n", "\r");
const streams = fc
  .tuple(fc.boolean(), fc.array(fc.tuple(lines, endings), { maxLength: 30 }))
  .map(([bom, parts]) => (bom ? "\uFEFF" : "") + parts.map((part) => part.join("")).join(""));

test("the events are the same however the bytes are cut", () => {
  fc.assert(
    fc.property(streams, fc.array(fc.nat({ max: 300 }), { maxLength: 20 }), (text, cuts) => {
      const bytes = Buffer.from(text);
      const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length];
      at.sort((a, b) => a - b);
      const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
      expect(parse(chunks)).toEqual(parseText(text));
    }),
  );
});

test("the events are the same byte by byte", () => {
  fc.assert(
    fc.property(streams, (text) => {
      const bytes = [...Buffer.from(text)].map((byte) => Buffer.from([byte]));
      expect(parse(bytes)).toEqual(parseText(text));
    }),
    { numRuns: 50 },
  );
});

test("the events are the same whichever line ends are used", () => {
  const text = "id: 1\ndata: a\n\n\n\ndata: b\ndata: c\n\n";
  const events = [{ id: "1", data: "a" }, { data: "b\nc" }];
  for (const ending of ["\n", "\r", "\r\n"]) {
    expect(parseText(text.replaceAll("\n", ending))).toEqual(events);
  }
});

describe("an event", () => {
  test("has its fields, less one blank after the colon", () => {
    expect(parseText("event: e\nid:5\nretry: 10\ndata:  x\n\n")).toEqual([
      { event: "e", id: "5", retry: 10, data: " x" },
    ]);
  });

  test("without data is told only for its id or its retry", () => {
    expect(parseText("event: e\n\nid: 1\n\nretry: 3\n\n: c\n\n")).toEqual([
      { data: "", id: "1" },
      { data: "", retry: 3 },
    ]);
  });

  test("that the stream's end cuts off is dropped", () => {
    expect(parseText("data: a\n\ndata: b\n")).toEqual([{ data: "a" }]);
  });

  test("survives the way from writer to reader", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (data) => {
        const [event] = parseText(sseEvent(data, "s.1", "message"));
        const unbroken = data.split(/\r\n|\r|\n/).join("\n");
        expect(event).toEqual({ data: unbroken, id: "s.1", event: "message" });
      }),
    );
  });
});

describe("the bound of an event", () => {
  test("holds for one long line", () => {
    const parser = new SseParser(100);
    expect(() => {
      for (let at = 0; at < 20; at++) parser.push(Buffer.from("data: 123456789"));
    }).toThrow(SseOverflowError);
  });

  test("holds for many lines, even when they are empty", () => {
    for (const line of ["data: 123456789\n", "data:\n", "data\n"]) {
      const parser = new SseParser(100);
      expect(() => {
        for (let at = 0; at < 200; at++) parser.push(Buffer.from(line));
      }).toThrow(SseOverflowError);
    }
  });

  test("is counted anew for each event", () => {
    const parser = new SseParser(100);
    for (let at = 0; at < 20; at++) {
      expect(parser.push(Buffer.from(`data: ${"x".repeat(60)}\n\n`))).toHaveLength(1);
    }
  });
});
