// What answers that are held whole take of the room for all of them, and that they give it back however they end.
import type { ServerResponse } from "node:http";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { HeldBytes } from "../../foundation/index.ts";
import { isJsonObject, SseOverflowError, SseParser } from "../../protocol/index.ts";
import type { ExchangeHandle, Lane, OutboundRequest } from "../lane.ts";
import {
  discovery,
  events,
  fakeContext,
  fakeDeps,
  fakeHttpServer,
  handshake,
  Heard,
  HeardLane,
} from "./fake-http-server.ts";
import { LineSplitter, type LineHandler } from "./line-splitter.ts";
import { open } from "./streamable-http.ts";

const kib = 1024;
const ways = ["length", "chunked", "event"] as const;
const endings = ["whole", "cancelled", "reset", "timed out", "cut short"] as const;

/** Begins an answer, writes `bytes` of it and leaves the rest to the result. */
function beginAnswer(
  response: ServerResponse,
  id: unknown,
  way: string,
  bytes: number,
): () => void {
  const text = `{"jsonrpc":"2.0","result":{"text":"${"x".repeat(2 * bytes)}"},"id":${String(id)}}`;
  const body = way === "event" ? `data: ${text}\n\n` : text;
  if (way === "event") events(response);
  else {
    const length = way === "length" ? { "content-length": body.length } : {};
    response.writeHead(200, { "content-type": "application/json", ...length });
  }
  response.write(body.slice(0, bytes));
  return () => void response.end(body.slice(bytes));
}

interface Begun {
  readonly response: ServerResponse;
  readonly finish: () => void;
}

async function slowServer(
  held: HeldBytes,
  era: "modern" | "legacy",
): Promise<{ lane: Lane; begun: Map<unknown, Begun> }> {
  const begun = new Map<unknown, Begun>();
  const peer = await fakeHttpServer((request, response) => {
    if (discovery(request, response) || (era === "legacy" && handshake(request, response))) return;
    const params = request.message["params"];
    const name = isJsonObject(params) ? params["name"] : undefined;
    const [number, way = "", bytes] = typeof name === "string" ? name.split(" ") : [];
    if (bytes === undefined) {
      response.writeHead(202).end();
      return;
    }
    const finish = beginAnswer(response, request.message["id"], way, Number(bytes));
    begun.set(Number(number), { response, finish });
  });
  onTestFinished(async () => await peer.close());
  const lane = await open(
    { url: peer.url, protocol_era: era },
    fakeContext,
    new HeardLane(),
    fakeDeps({ held }),
  );
  onTestFinished(async () => await lane.close());
  return { lane, begun };
}

function outbound(number: number, way: string, bytes: number, timeoutMs = 30_000): OutboundRequest {
  const params = { name: `${number} ${way} ${bytes}`, arguments: {} };
  return {
    message: { jsonrpc: "2.0", id: number, method: "tools/call", params },
    timeoutMs,
    inspectBytesMax: Number.POSITIVE_INFINITY,
  };
}

test.each(["modern", "legacy"] as const)(
  "%s answers take room while they come, and give it back however they end",
  async (era) => {
    const held = new HeldBytes(100_000 * kib);
    const { lane, begun } = await slowServer(held, era);
    const cases = ways.flatMap((way) => endings.map((ending) => ({ way, ending })));
    const running = cases.map(({ way, ending }, number) => {
      const heard = new Heard();
      const timeoutMs = ending === "timed out" ? 1_000 : 30_000;
      const handle = lane.send(outbound(number, way, 500 * kib, timeoutMs), heard);
      return { heard, handle, ending, number };
    });
    await expect.poll(() => begun.size).toBe(cases.length);
    await expect.poll(() => held.taken).toBeGreaterThan(0);
    for (const { handle, ending, number } of running) {
      const answer = begun.get(number);
      if (ending === "whole") answer?.finish();
      else if (ending === "cancelled") handle.cancel("no longer wanted");
      else if (ending === "reset") answer?.response.socket?.resetAndDestroy();
      else if (ending === "cut short") answer?.response.socket?.end();
    }
    const heard = running.filter(({ ending }) => ending !== "cancelled");
    const came = await Promise.allSettled(heard.map(async (one) => await one.heard.body));
    expect(came.map(({ status }) => status)).toEqual(
      heard.map(({ ending }) => (ending === "whole" ? "fulfilled" : "rejected")),
    );
    await expect.poll(() => held.taken).toBe(0);
  },
);

test.each(ways)("one (%s) that finds no room is refused, and says which limit", async (way) => {
  const held = new HeldBytes(1_000 * kib);
  const { lane, begun } = await slowServer(held, "modern");
  const first = new Heard();
  const handle: ExchangeHandle = lane.send(outbound(1, "chunked", 800 * kib), first);
  await expect.poll(() => held.taken).toBeGreaterThan(600 * kib);
  const second = new Heard();
  lane.send(outbound(2, way, 500 * kib), second);
  const failure = await second.failure;
  expect(failure.code).toBe("SERVER_TOO_LARGE");
  expect(failure.message).toContain("limits.held_bytes_max");
  expect(failure.message).toContain(String(held.max));
  const small = new Heard();
  lane.send(outbound(3, way, 10 * kib), small);
  await expect.poll(() => begun.has(3)).toBe(true);
  begun.get(3)?.finish();
  expect((await small.body).length).toBeGreaterThan(20 * kib);
  handle.cancel("no longer wanted");
  const third = new Heard();
  lane.send(outbound(4, way, 400 * kib), third);
  await expect.poll(() => begun.has(4)).toBe(true);
  begun.get(4)?.finish();
  expect((await third.body).length).toBeGreaterThan(800 * kib);
  expect(held.taken).toBe(0);
});

test("lines in pieces take room, are dropped where there is none, and give it back", () => {
  const piece = fc.oneof(
    fc.record({ bytes: fc.integer({ min: 1, max: 90 * kib }), end: fc.boolean() }),
    fc.constant("close" as const),
  );
  fc.assert(
    fc.property(fc.array(fc.record({ which: fc.nat(2), piece }), { maxLength: 30 }), (steps) => {
      const held = new HeldBytes(200 * kib);
      const counts = { lines: 0, crowded: 0 };
      const handler: LineHandler = {
        line: () => void counts.lines++,
        overlongBegins: (_head, crowded) => void (counts.crowded += crowded ? 1 : 0),
        overlongEnds() {},
        endless() {},
      };
      const splitters = Array.from({ length: 3 }, () => new LineSplitter(handler, 400 * kib, held));
      for (const { which, piece: one } of steps) {
        if (one === "close") splitters[which]?.close();
        else splitters[which]?.push(Buffer.from(`${"x".repeat(one.bytes)}${one.end ? "\n" : ""}`));
        expect(held.taken).toBeLessThanOrEqual(held.max);
      }
      for (const splitter of splitters) splitter.push(Buffer.from("\n"));
      expect(held.taken).toBe(0);
      for (const splitter of splitters) splitter.close();
      expect(held.taken).toBe(0);
    }),
  );
});

test("events in pieces take room, and give it back when they are whole or their reader is closed", () => {
  const piece = fc.record({
    bytes: fc.integer({ min: 1, max: 90 * kib }),
    line: fc.boolean(),
    end: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const held = new HeldBytes(300 * kib);
      const parser = new SseParser(10_000 * kib, held);
      for (const { bytes, line, end } of pieces) {
        const took = takes(parser, `data: ${"x".repeat(bytes)}${line || end ? "\n" : ""}`);
        if (!took) break;
        if (end) takes(parser, "\n");
        expect(end ? held.taken : 0).toBe(0);
      }
      expect(held.taken).toBeLessThanOrEqual(held.max);
      parser.close();
      expect(held.taken).toBe(0);
    }),
  );
});

/** False where there was no room for it. */
function takes(parser: SseParser, text: string): boolean {
  try {
    parser.push(Buffer.from(text));
    return true;
  } catch (error) {
    if (error instanceof SseOverflowError && error.crowded) return false;
    throw error;
  }
}
