import { createServer, type ServerResponse } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import { EventStream, ReplayStore, readEventId, startEvents } from "./event-stream.ts";
import { sendRequest, until, type Answer } from "./running-gateway.ts";

/** A reader of event streams: our side of the connection and the client's. */
async function reader(): Promise<{ out: ServerResponse; client: Answer }> {
  const arrived = Promise.withResolvers<ServerResponse>();
  const server = createServer((_req, res) => {
    startEvents(res);
    arrived.resolve(res);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const client = await sendRequest(`http://127.0.0.1:${port}/`, { method: "GET" });
  return { out: await arrived.promise, client };
}

const json = (n: number): string => `{"n":${n}}`;

describe("a stream", () => {
  test("gives a reader that comes what no reader has had", async () => {
    const stream = new EventStream("a", new ReplayStore(1_000));
    stream.send(json(1));
    const { out, client } = await reader();
    stream.attach(out);
    stream.send(json(2));
    stream.finish();
    await client.whole();
    expect(client.events).toEqual([
      { id: "a.1", data: json(1) },
      { id: "a.2", data: json(2) },
    ]);
    expect(stream.attached).toBe(false);
  });

  test("gives a reader that comes back what came after the event it names", async () => {
    const stream = new EventStream("a", new ReplayStore(1_000));
    const first = await reader();
    stream.attach(first.out);
    stream.prime();
    stream.send(json(1));
    await first.client.until(({ events }) => events.length >= 2);
    first.client.leave();
    await until("the reader is gone", () => !stream.attached);
    stream.send(json(2));
    stream.send(json(3));
    const second = await reader();
    stream.attach(second.out, 2);
    stream.finish();
    await second.client.whole();
    expect(second.client.events.map(({ id }) => id)).toEqual(["a.3", "a.4"]);
  });

  test("has one reader: the one before is let go", async () => {
    const stream = new EventStream("a", new ReplayStore(1_000));
    const [first, second] = [await reader(), await reader()];
    stream.attach(first.out);
    stream.attach(second.out);
    await first.client.whole();
    stream.send(json(1));
    await second.client.until(({ events }) => events.length >= 1);
    expect(first.client.events).toEqual([]);
    expect(stream.attached).toBe(true);
  });

  test("that is finished is over for whoever comes later", async () => {
    const stream = new EventStream("a", new ReplayStore(1_000));
    stream.send(json(1));
    stream.finish();
    const { out, client } = await reader();
    stream.attach(out, 0);
    await client.whole();
    expect([client.ended, client.events.length]).toEqual([true, 1]);
  });

  test("writes signs of life only to a reader", async () => {
    const stream = new EventStream("a", new ReplayStore(1_000));
    stream.keepAlive();
    const { out, client } = await reader();
    stream.attach(out);
    stream.keepAlive();
    stream.finish();
    await client.whole();
    expect([client.text, client.events]).toEqual([":\n\n", []]);
  });

  test("lets a reader go that reads nothing, and keeps what it missed", async () => {
    const stream = new EventStream("a", new ReplayStore(100));
    const { out } = await reader();
    out.cork();
    stream.attach(out);
    for (let count = 0; count < 40 && stream.attached; count++)
      stream.send("x".repeat(1024 * 1024));
    expect([stream.attached, out.destroyed]).toEqual([false, true]);
    stream.send(json(1));
    const again = await reader();
    stream.attach(again.out);
    stream.finish();
    expect((await again.client.whole()).events.map(({ data }) => data)).toEqual([json(1)]);
  });
});

describe("an answer", () => {
  test("that is large costs a reader nothing who takes its time", async () => {
    const stream = new EventStream("a", new ReplayStore(100));
    const { out, client } = await reader();
    out.cork();
    stream.attach(out);
    const long = JSON.stringify({ text: "x".repeat(20 * 1024 * 1024) });
    stream.answer(long, 1);
    stream.send(json(2));
    expect([stream.attached, out.destroyed]).toEqual([true, false]);
    out.uncork();
    stream.finish();
    await client.whole();
    expect(client.events.map(({ data }) => data.length)).toEqual([long.length, json(2).length]);
  });

  test("that is not kept any more is told to be lost, in its place, to who comes back for it", async () => {
    const stream = new EventStream("a", new ReplayStore(60));
    stream.answer(
      '{"jsonrpc":"2.0","id":7,"result":{"long":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}}',
      7,
    );
    stream.send(json(2));
    stream.answer(json(3), 9);
    stream.finish();
    const { out, client } = await reader();
    stream.attach(out, 0);
    await client.whole();
    expect(client.events.map(({ id }) => id)).toEqual(["a.1", "a.2", "a.3"]);
    expect(client.messages[0]).toMatchObject({ id: 7, error: { data: { code: "ANSWER_LOST" } } });
    expect(client.messages[2]).toEqual({ n: 3 });
  });
});

describe("what is kept", () => {
  test("is the newest of all streams together, within its bound", () => {
    const store = new ReplayStore(30);
    for (let n = 1; n <= 5; n++) {
      store.keep("a", n, `a${n}`.padEnd(5));
      store.keep("b", n, `b${n}`.padEnd(5));
    }
    expect(store.after("a", 0).map(({ text }) => text.trim())).toEqual(["a3", "a4", "a5"]);
    expect(store.after("b", 4).map(({ text }) => text.trim())).toEqual(["b5"]);
    expect(store.after("c", 0)).toEqual([]);
  });

  test("is not thrown out by an event that is larger than the bound", () => {
    const store = new ReplayStore(10);
    store.keep("a", 1, "small");
    store.keep("a", 2, "larger than the bound");
    expect(store.after("a", 0)).toEqual([{ stream: "a", sequence: 1, text: "small" }]);
    expect(new ReplayStore(0).after("a", 0)).toEqual([]);
  });
});

test("event ids are read back, and others are not taken for them", () => {
  expect(readEventId("1f.20")).toEqual({ stream: "1f", sequence: 20 });
  for (const id of ["", "1", "1.", ".1", "1.x", "A.1", "1.1.1", "1.1 ", `1.${"1".repeat(13)}`]) {
    expect(readEventId(id)).toBeUndefined();
  }
});
