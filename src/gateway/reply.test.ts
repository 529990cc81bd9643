import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import { HeldBytes } from "../foundation/index.ts";
import { revisionOf, type JsonObject } from "../protocol/index.ts";
import { EventStream, ReplayStore } from "./event-stream.ts";
import { GatheringReply, PostReply, type StreamSource } from "./reply.ts";
import { sendRequest, until, type Answer } from "./running-gateway.ts";

interface Exchange {
  readonly res: ServerResponse;
  /** The client's side, once the head has come. */
  readonly answer: Promise<Answer>;
}

/** One request that waits for its answer. */
async function exchange(): Promise<Exchange> {
  const arrived = Promise.withResolvers<ServerResponse>();
  const server = createServer((_req: IncomingMessage, res) => arrived.resolve(res));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const answer = sendRequest(`http://127.0.0.1:${port}/`);
  answer.catch(() => undefined);
  return { res: await arrived.promise, answer };
}

function sourceOf(revision: string, store = new ReplayStore(10_000)): StreamSource {
  const found = revisionOf(revision);
  if (found === undefined) throw new Error(revision);
  return { revision: found, openStream: () => new EventStream("s", store) };
}

const response = '{"jsonrpc":"2.0","id":1,"result":{}}';
const notification = '{"jsonrpc":"2.0","method":"n"}';

describe("a reply to a POST", () => {
  test("is plain JSON with its status when nothing precedes it", async () => {
    for (const body of [
      response,
      Buffer.from(response),
      Buffer.from(`{"a":"${"ü".repeat(9_000)}"}`),
    ]) {
      const { res, answer } = await exchange();
      new PostReply(res, true).answer(body, 404);
      const got = await (await answer).whole();
      expect([got.status, got.headers["content-type"], got.text]).toEqual([
        404,
        "application/json",
        body.toString(),
      ]);
      expect(got.headers["content-length"]).toBe(String(Buffer.byteLength(body)));
    }
  });

  test("becomes an event stream when something precedes it, and says when it cannot", async () => {
    const { res, answer } = await exchange();
    const reply = new PostReply(res, true);
    expect(reply.message(notification)).toBe(true);
    reply.answer('{\n"jsonrpc":"2.0",\r\n"id":1,"result":{}}', 404);
    const got = await (await answer).whole();
    expect(got.status).toBe(200);
    expect(got.headers).toMatchObject({
      "content-type": "text/event-stream",
      "x-accel-buffering": "no",
    });
    expect(got.messages).toEqual([JSON.parse(notification), JSON.parse(response)]);

    const plain = await exchange();
    const other = new PostReply(plain.res, false);
    expect(other.message(notification)).toBe(false);
    other.keepAlive();
    other.answer(response, 200);
    expect((await (await plain.answer).whole()).text).toBe(response);
  });

  test("of a session that primes its streams begins with an event that can be resumed", async () => {
    const { res, answer } = await exchange();
    const reply = new PostReply(res, true, sourceOf("2025-11-25"));
    reply.keepAlive();
    reply.answer(response, 200);
    const got = await (await answer).whole();
    expect(got.events.map(({ id, data }) => [id, data])).toEqual([
      ["s.1", ""],
      ["s.2", response],
    ]);
  });

  test("of an older session has ids but no empty event", async () => {
    const { res, answer } = await exchange();
    const reply = new PostReply(res, true, sourceOf("2025-06-18"));
    reply.message(notification);
    reply.answer(response, 200);
    const got = await (await answer).whole();
    expect(got.events.map(({ id }) => id)).toEqual(["s.1", "s.2"]);
  });

  test("is answered once", async () => {
    const { res, answer } = await exchange();
    const reply = new PostReply(res, true);
    reply.answer(response, 200);
    reply.answer("again", 500);
    reply.message(notification);
    reply.keepAlive();
    reply.begin(Buffer.from("x"), undefined);
    reply.chunk(Buffer.from("x"));
    reply.end();
    reply.abort("");
    reply.cancel("");
    expect((await (await answer).whole()).text).toBe(response);
  });

  test("streams a large answer, as JSON with its length or as one event", async () => {
    for (const events of [false, true]) {
      const { res, answer } = await exchange();
      const reply = new PostReply(res, true);
      if (events) reply.keepAlive();
      reply.begin(Buffer.from('{"jsonrpc":"2.0",\n'), 37);
      reply.chunk(Buffer.from('"id":1,"res'));
      reply.chunk(Buffer.from('ult":{}}'));
      reply.end();
      const got = await (await answer).whole();
      expect(got.ended).toBe(true);
      expect(got.messages).toEqual([JSON.parse(response)]);
      expect(got.headers["content-length"]).toBe(events ? undefined : "37");
    }
  });

  test("lets no sign of life into the middle of an answer", async () => {
    const { res, answer } = await exchange();
    const reply = new PostReply(res, true);
    reply.keepAlive();
    reply.begin(Buffer.from('{"jsonrpc":"2.0",'), undefined);
    reply.keepAlive();
    reply.chunk(Buffer.from('"id":1,"result":{}}'));
    reply.end();
    expect((await (await answer).whole()).messages).toEqual([JSON.parse(response)]);
  });

  test("lets no sign of life of its session into the middle of an answer either", async () => {
    const stream = new EventStream("s", new ReplayStore(10_000));
    const { res, answer } = await exchange();
    const { revision } = sourceOf("2025-11-25");
    const reply = new PostReply(res, true, { revision, openStream: () => stream });
    reply.keepAlive();
    reply.begin(Buffer.from('{"jsonrpc":"2.0",'), undefined);
    stream.keepAlive();
    reply.chunk(Buffer.from('"id":1,"result":{}}'));
    reply.end();
    expect((await (await answer).whole()).messages).toEqual([JSON.parse(response)]);
  });

  test("that breaks off is seen to be broken, and ends for a client that resumes", async () => {
    const store = new ReplayStore(10_000);
    const stream = new EventStream("s", store);
    const { res, answer } = await exchange();
    const { revision } = sourceOf("2025-11-25");
    const reply = new PostReply(res, true, { revision, openStream: () => stream });
    reply.keepAlive();
    const broken = await answer;
    await broken.until(({ events }) => events.length >= 1);
    reply.begin(Buffer.from('{"jsonrpc"'), undefined);
    reply.abort('{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}');
    await broken.whole();
    expect([broken.ended, broken.messages]).toEqual([false, []]);

    const again = await exchange();
    again.res.writeHead(200, { "content-type": "text/event-stream" });
    stream.attach(again.res, 1);
    const resumed = await (await again.answer).whole();
    expect(resumed.error).toEqual({ code: 1, message: "m" });
  });

  test("that streams reaches a client whose stream goes on elsewhere", async () => {
    const stream = new EventStream("s", new ReplayStore(10));
    const { res, answer } = await exchange();
    const { revision } = sourceOf("2025-11-25");
    const reply = new PostReply(res, true, { revision, openStream: () => stream }, 1);
    reply.keepAlive();
    await (await answer).until(({ events }) => events.length >= 1);
    const again = await exchange();
    again.res.writeHead(200, { "content-type": "text/event-stream" });
    stream.attach(again.res, 1);
    reply.begin(Buffer.from('{"jsonrpc":"2.0",\n'), undefined);
    reply.chunk(Buffer.from('"id":1,"result":{}}'));
    reply.end();
    const got = await (await again.answer).whole();
    expect(got.events).toMatchObject([
      { id: "s.2", data: '{"jsonrpc":"2.0", "id":1,"result":{}}' },
    ]);
  });

  test("that streams is kept for a client that is away, where it is small enough", async () => {
    for (const [bytesMax, expected] of [
      [1_000, { result: {} }],
      [10, { error: { code: -32603, data: { code: "ANSWER_LOST" } } }],
    ] as const) {
      const stream = new EventStream("s", new ReplayStore(bytesMax));
      const { res, answer } = await exchange();
      const { revision } = sourceOf("2025-11-25");
      const reply = new PostReply(res, true, { revision, openStream: () => stream }, 1);
      reply.keepAlive();
      (await answer).leave();
      await until("the reader is gone", () => !stream.attached);
      reply.begin(Buffer.from('{"jsonrpc":"2.0",'), undefined);
      reply.chunk(Buffer.from('"id":1,"result":{}}'));
      reply.end();
      const again = await exchange();
      again.res.writeHead(200, { "content-type": "text/event-stream" });
      stream.attach(again.res, 1);
      const got = await (await again.answer).whole();
      expect(got.response).toMatchObject({ id: 1, ...expected });
    }
  });

  test("that streams ends for a client that went away, or went on elsewhere, in its middle", async () => {
    for (const elsewhere of [false, true]) {
      const stream = new EventStream("s", new ReplayStore(1_000));
      const { res, answer } = await exchange();
      const { revision } = sourceOf("2025-11-25");
      const reply = new PostReply(res, true, { revision, openStream: () => stream }, 1);
      reply.keepAlive();
      const first = await answer;
      await first.until(({ events }) => events.length >= 1);
      reply.begin(Buffer.from('{"jsonrpc":"2.0",'), undefined);
      const again = await exchange();
      again.res.writeHead(200, { "content-type": "text/event-stream" });
      if (elsewhere) stream.attach(again.res, 1);
      else {
        first.leave();
        await until("the reader is gone", () => !stream.attached);
      }
      reply.chunk(Buffer.from('"id":1,"result":{}}'));
      reply.end();
      if (!elsewhere) stream.attach(again.res, 1);
      const got = await (await again.answer).whole();
      expect(got.error).toMatchObject({ code: -32603, data: { code: "ANSWER_LOST" } });
      expect([got.events.length, first.response]).toEqual([1, {}]);
    }
  });

  test("that streamed whole is not told to be lost to a client that has seen it", async () => {
    const stream = new EventStream("s", new ReplayStore(10));
    const { res, answer } = await exchange();
    const { revision } = sourceOf("2025-11-25");
    const reply = new PostReply(res, true, { revision, openStream: () => stream }, 1);
    reply.keepAlive();
    reply.begin(Buffer.from('{"jsonrpc":"2.0",'), undefined);
    reply.chunk(Buffer.from('"id":1,"result":{}}'));
    reply.end();
    const got = await (await answer).whole();
    expect(got.events.map(({ id }) => id)).toEqual(["s.1", "s.2"]);
    for (const [after, count] of [
      [2, 0],
      [1, 1],
    ] as const) {
      const again = await exchange();
      again.res.writeHead(200, { "content-type": "text/event-stream" });
      stream.attach(again.res, after);
      expect((await (await again.answer).whole()).events).toHaveLength(count);
    }
  });

  test("that was given up still ends", async () => {
    for (const events of [false, true]) {
      const { res, answer } = await exchange();
      const reply = new PostReply(res, true, sourceOf("2025-11-25"));
      if (events) reply.message(notification);
      reply.cancel(response);
      expect((await (await answer).whole()).response).toEqual(JSON.parse(response));
    }
  });

  test("asks its server to go on when the client has gone", async () => {
    const { res } = await exchange();
    const reply = new PostReply(res, true, sourceOf("2025-11-25"));
    const big = Buffer.alloc(4 * 1024 * 1024, 0x20);
    let resumed = 0;
    const more = reply.begin(big, undefined);
    reply.onDrain(() => resumed++);
    expect(more).toBe(false);
    res.destroy();
    await until("the reply resumes", () => resumed > 0);
    expect(reply.chunk(big)).toBe(true);
    reply.end();
  });

  test("lets a client go that does not read what is told to it", async () => {
    const { res } = await exchange();
    const reply = new PostReply(res, true);
    const long = JSON.stringify({ text: "x".repeat(1024 * 1024) });
    res.cork();
    for (let count = 0; count < 40 && !res.destroyed; count++) reply.message(long);
    expect(res.destroyed).toBe(true);
  });
});

describe("a gathering reply", () => {
  test("hands on its messages, and its answer once and on one line", () => {
    const told: string[] = [];
    const reply = new GatheringReply(
      (json) => told.push(`m ${json}`),
      (json) => told.push(`a ${json}`),
      () => told.push("cancelled"),
    );
    expect(reply.message("1")).toBe(true);
    reply.begin(Buffer.from("{\n"), undefined);
    reply.chunk(Buffer.from("}"));
    reply.end();
    reply.answer("2", 200);
    reply.cancel("3");
    expect(reply.message("4")).toBe(false);
    expect(told).toEqual(["m 1", "a { }"]);
  });

  test("gathers no more than there is room for, together with others", () => {
    const told: JsonObject[] = [];
    const room = { left: 10 };
    const reply = (id: string): GatheringReply => {
      const answer = (json: string): unknown => told.push(JSON.parse(json));
      return new GatheringReply(answer, answer, answer, { room, id });
    };
    const [one, two, three] = [reply("one"), reply("two"), reply("three")];
    one.begin(Buffer.from('{"a":'), undefined);
    two.begin(Buffer.from('{"b":2'), undefined);
    two.chunk(Buffer.from("}"));
    two.end();
    one.chunk(Buffer.from("1}"));
    one.end();
    expect(room.left).toBe(10);
    three.begin(Buffer.from("{}"), undefined);
    three.end();
    expect(told).toMatchObject([
      { id: "two", error: { data: { code: "SERVER_TOO_LARGE" } } },
      { a: 1 },
      {},
    ]);
    expect(room.left).toBe(10);
  });

  test("takes what it gathers from the room of all answers that are held, and gives it back", () => {
    const told: JsonObject[] = [];
    const held = new HeldBytes(200_000);
    const reply = (id: string): GatheringReply => {
      const answer = (json: string): unknown => told.push(JSON.parse(json));
      return new GatheringReply(answer, answer, answer, { room: { left: 1e9 }, id, held });
    };
    const [one, two, three] = [reply("one"), reply("two"), reply("three")];
    one.begin(Buffer.from(`{"a":"${"x".repeat(150_000)}`), undefined);
    expect(held.taken).toBe(150_006);
    two.begin(Buffer.from(`{"b":"${"x".repeat(100_000)}`), undefined);
    three.begin(Buffer.from('{"c":1}'), undefined);
    three.end();
    one.chunk(Buffer.from('"}'));
    one.end();
    expect(told).toMatchObject([
      { id: "two", error: { message: expect.stringContaining("limits.held_bytes_max") } },
      { c: 1 },
      { a: expect.any(String) },
    ]);
    expect(held.taken).toBe(0);
  });

  test("is answered with the error when its answer breaks off, and tells when it was given up", () => {
    const told: string[] = [];
    const make = (): GatheringReply =>
      new GatheringReply(
        () => told.push("m"),
        (json) => told.push(`a ${json}`),
        (json) => told.push(`c ${json}`),
      );
    const broken = make();
    broken.begin(Buffer.from("{"), undefined);
    broken.abort("e");
    const cancelled = make();
    cancelled.cancel("x");
    cancelled.answer("late", 200);
    expect(told).toEqual(["a e", "c x"]);
  });
});
