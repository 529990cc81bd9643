import { createServer } from "node:http";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { Metrics, silentLog, systemClock } from "../foundation/index.ts";
import type { ExportedRecord } from "./audit-export.ts";
import { AuditShipping, signatureOf } from "./audit-shipping.ts";

const record = (seq: number): ExportedRecord => ({
  seq,
  at: seq,
  action: "key.create",
  before: null,
  after: null,
  details: null,
});

interface Received {
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

/** A webhook that answers with the statuses given, then 204. */
async function webhook(...statuses: number[]): Promise<{ url: string; received: Received[] }> {
  const received: Received[] = [];
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on("data", (chunk: Buffer) => chunks.push(chunk));
    req.on("end", () => {
      received.push({ headers: req.headers, body: Buffer.concat(chunks).toString() });
      res.writeHead(statuses.shift() ?? 204).end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { url: `http://127.0.0.1:${port}/audit`, received };
}

function ship(
  url: string,
  records: ExportedRecord[],
  from?: number,
): { place: () => number | undefined } {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  let place = from;
  new AuditShipping({
    url,
    secret: "a secret of the webhook",
    page: (after, limit) =>
      Promise.resolve(records.filter(({ seq }) => seq > after).slice(0, limit)),
    readPlace: () => Promise.resolve(place),
    writePlace: (seq) => {
      place = seq;
      return Promise.resolve();
    },
    clock: systemClock,
    log: silentLog,
    metrics: new Metrics(),
    signal: stop.signal,
    everyMs: 5,
  }).start();
  return { place: () => place };
}

const seqsIn = (received: readonly Received[]): number[] =>
  received.flatMap(({ body }) =>
    body
      .trimEnd()
      .split("\n")
      .map((line) => Number(JSON.parse(line).seq)),
  );

test("all records arrive in order, signed, and the place of the last one is kept", async () => {
  const { url, received } = await webhook();
  const records = Array.from({ length: 450 }, (_, index) => record(index + 1));
  const { place } = ship(url, records);
  await expect.poll(place).toBe(450);
  expect(seqsIn(received)).toEqual(records.map(({ seq }) => seq));
  for (const { headers, body } of received) {
    const signed = signatureOf("a secret of the webhook", String(headers["x-timestamp"]), body);
    expect(headers["x-signature-256"]).toBe(`sha256=${signed}`);
  }
  expect(received[0]?.headers["x-delivery-id"]).toBe("audit-1-200");
});

test("what the webhook refuses is sent again until it is taken", async () => {
  const { url, received } = await webhook(500, 429);
  const { place } = ship(url, [record(1), record(2)]);
  await expect.poll(place).toBe(2);
  expect(seqsIn(received)).toEqual([1, 2, 1, 2, 1, 2]);
});

test("after a restart it goes on where it stood", async () => {
  const { url, received } = await webhook();
  const { place } = ship(url, [record(1), record(2), record(3)], 2);
  await expect.poll(place).toBe(3);
  expect(seqsIn(received)).toEqual([3]);
});
