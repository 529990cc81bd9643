import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { manualClock, type ManualClock } from "../../src/foundation/index.ts";
import { until } from "../support/until.ts";
import { FaultProxy, type FaultProxyOptions } from "./fault-proxy.ts";

const kibibyte = 1024;

let open: AsyncDisposableStack;

beforeEach(() => {
  open = new AsyncDisposableStack();
});

afterEach(async () => {
  await open.disposeAsync();
});

test("without faults everything passes, both ways and to the end", async () => {
  const { proxy } = await start();
  const client = await dial(proxy);
  const sent = Buffer.alloc(300 * kibibyte, "abc");
  client.socket.end(sent);
  await client.ended();
  expect(client.received().equals(sent)).toBe(true);
  await until("the connection is forgotten", () => proxy.connections === 0);
});

describe("latency", () => {
  test("every byte waits for its time, of a running connection too", async () => {
    const { proxy, clock, pauses } = await start();
    const client = await dial(proxy);
    await client.echo("before");
    proxy.set("answer", { latencyMs: 2_000 });
    await client.echo("after");
    expect(pauses).toEqual([2_000]);
    expect(clock.monotonicMs()).toBe(2_000);
  });

  test("what is under way passes once it is lifted", async () => {
    const { proxy } = await start({ realTime: true });
    proxy.set("request", { latencyMs: 3_600_000 });
    const client = await dial(proxy);
    client.socket.write("late");
    await until("it is under way", () => proxy.connections === 1);
    proxy.set("request", {});
    await client.receives("late");
    expect(client.text()).toBe("late");
  });

  test("jitter lies around it, and is the same for the same seed", async () => {
    const jittered = async (seed: number): Promise<number[]> => {
      const { proxy, pauses } = await start({ seed });
      proxy.set("request", { latencyMs: 1_000, jitterMs: 500 });
      const client = await dial(proxy);
      for (const text of ["one", "two", "three"]) await client.echo(text);
      return pauses;
    };
    const first = await jittered(5);
    expect(first).toHaveLength(3);
    expect(first.every((ms) => ms >= 500 && ms <= 1_500)).toBe(true);
    expect(new Set(first).size).toBe(3);
    expect(await jittered(5)).toEqual(first);
    expect(await jittered(6)).not.toEqual(first);
  });
});

test("bandwidth is what the clock says passed", async () => {
  const { proxy, clock } = await start();
  proxy.set("request", { bytesPerSecond: 10_000 });
  const client = await dial(proxy);
  await client.echo("x".repeat(20_000));
  expect(clock.monotonicMs()).toBeCloseTo(2_000, 3);
});

test("slices have the size asked for, with a pause after each", async () => {
  const { proxy, pauses } = await start();
  proxy.set("answer", { slice: { bytes: 4, pauseMs: 7 } });
  const client = await dial(proxy);
  await client.echo("0123456789");
  await until("the last slice was followed by its pause", () => pauses.length === 3);
  expect(pauses).toEqual([7, 7, 7]);
});

describe("a reset", () => {
  test("at once ends the running connections, and new ones go well", async () => {
    const { proxy } = await start();
    const client = await dial(proxy);
    await client.echo("before");
    proxy.cutNow("reset");
    expect(await client.broke()).toBe("ECONNRESET");
    await (await dial(proxy)).echo("after");
  });

  test("after so many bytes of the request lets the target see just those", async () => {
    const { proxy, seen } = await start();
    proxy.set("request", { cut: { how: "reset", afterBytes: 5 } });
    const client = await dial(proxy);
    client.socket.write("0123456789");
    expect(await client.broke()).toBe("ECONNRESET");
    expect(seen()).toBe("01234");
  });

  test("before the answer lets the target see the whole request", async () => {
    const { proxy, seen } = await start();
    proxy.set("answer", { cut: { how: "reset", afterBytes: 0 } });
    const client = await dial(proxy);
    client.socket.write("0123456789");
    expect(await client.broke()).toBe("ECONNRESET");
    expect(seen()).toBe("0123456789");
    expect(client.received()).toHaveLength(0);
  });

  test("after so many bytes of the answer counts from when it was set", async () => {
    const { proxy } = await start();
    const client = await dial(proxy);
    await client.echo("before");
    proxy.set("answer", { cut: { how: "reset", afterBytes: 3 } });
    client.socket.write("0123456789");
    expect(await client.broke()).toBe("ECONNRESET");
    expect(client.text()).toBe("before012");
  });

  test("befalls only as many connections as it should", async () => {
    const { proxy } = await start();
    proxy.set("answer", { cut: { how: "reset", afterBytes: 0, times: 2 } });
    for (let round = 0; round < 2; round++) {
      const client = await dial(proxy);
      client.socket.write("lost");
      expect(await client.broke()).toBe("ECONNRESET");
    }
    await (await dial(proxy)).echo("served");
  });
});

test("a limit closes in order after so many bytes", async () => {
  const { proxy } = await start();
  proxy.set("answer", { cut: { how: "close", afterBytes: 4 } });
  const client = await dial(proxy);
  client.socket.write("0123456789");
  await client.ended();
  expect(client.text()).toBe("0123");
});

test("a half-closed direction has ended while the other goes on", async () => {
  const { proxy, seen } = await start();
  const client = await dial(proxy);
  await client.echo("before");
  proxy.cutNow("half-close", "answer");
  await client.ended();
  client.socket.write(", and after");
  await until("the target still hears", () => seen() === "before, and after");
  expect(client.text()).toBe("before");
});

describe("a blackhole", () => {
  test("accepts and passes nothing; what is held passes once it ends", async () => {
    const { proxy, seen } = await start();
    proxy.setBoth({ blackhole: "hold" });
    const client = await dial(proxy);
    client.socket.write("held");
    await until("it was accepted", () => proxy.connections === 1);
    await settled();
    expect(seen()).toBe("");
    await proxy.heal();
    await client.receives("held");
  });

  test("swallows on running connections, which are reset once it ends", async () => {
    const { proxy, seen } = await start();
    const client = await dial(proxy);
    await client.echo("before");
    proxy.set("request", { blackhole: "swallow" });
    client.socket.write("swallowed");
    await until("it was sent", () => client.socket.writableLength === 0);
    await settled();
    expect(seen()).toBe("before");
    // Healed again and again, for the bytes may not have come to the proxy yet.
    await until("the connection is reset", async () => {
      await settled();
      proxy.set("request", {});
      return client.socket.destroyed;
    });
    expect(await client.broke()).toBe("ECONNRESET");
    expect(seen()).not.toContain("swallowed");
    await (await dial(proxy)).echo("after");
  });

  test("leaves alone a connection that lost nothing", async () => {
    const { proxy } = await start();
    const client = await dial(proxy);
    await client.echo("before");
    proxy.setBoth({ blackhole: "swallow" });
    await settled();
    await proxy.heal();
    await client.echo("after");
    expect(client.text()).toBe("beforeafter");
  });
});

test("a refusing proxy is not there for new connections, and then is again on the same port", async () => {
  const { proxy } = await start();
  const client = await dial(proxy);
  await client.echo("before");
  proxy.refuse();
  await expect(dial(proxy)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  await client.echo("still here");
  await proxy.accept();
  await (await dial(proxy)).echo("after");
  expect(proxy.acceptedAt).toHaveLength(2);
});

test("corruption flips single bits, the same for the same seed", async () => {
  const sent = Buffer.alloc(10 * kibibyte, 0);
  const corrupted = async (seed: number): Promise<Buffer> => {
    const { proxy } = await start({ seed });
    proxy.set("answer", { corruptEveryBytes: 100 });
    const client = await dial(proxy);
    client.socket.end(sent);
    await client.ended();
    return client.received();
  };
  const first = await corrupted(3);
  const flipped = [...first].filter((byte) => byte !== 0);
  expect(first).toHaveLength(sent.length);
  expect(flipped.length).toBeGreaterThan(50);
  expect(flipped.length).toBeLessThan(200);
  expect(flipped.every((byte) => Number.isInteger(Math.log2(byte)))).toBe(true);
  expect((await corrupted(4)).equals(first)).toBe(false);
});

test("a slow reader slows the writer down", async () => {
  const { proxy } = await start();
  proxy.set("request", { blackhole: "hold" });
  const client = await dial(proxy);
  const sent = 64 * kibibyte * kibibyte;
  client.socket.write(Buffer.alloc(sent));
  await until("some of it is under way", () => client.socket.bytesWritten > 0);
  await settled();
  expect(client.socket.writableLength).toBeGreaterThan(0);
  proxy.set("request", {});
  await until("all of it came back", () => client.received().length === sent, 60_000);
});

test("a target that is not there resets the client", async () => {
  const { proxy, stopTarget } = await start();
  await stopTarget();
  const client = await dial(proxy);
  expect(await client.broke()).toBe("ECONNRESET");
});

interface Started {
  proxy: FaultProxy;
  clock: ManualClock;
  /** Milliseconds of each pause that the proxy made. */
  pauses: number[];
  /** All that the target received. */
  seen: () => string;
  stopTarget: () => Promise<void>;
}

// A proxy in front of an echo; its clock is moved by its own pauses alone, unless it runs in real time.
async function start(options: { seed?: number; realTime?: boolean } = {}): Promise<Started> {
  const seen: Buffer[] = [];
  const sockets = new Set<Socket>();
  const target = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("data", (bytes: Buffer) => seen.push(bytes));
    socket.pipe(socket);
  });
  target.listen(0, "127.0.0.1");
  await once(target, "listening");
  const address = target.address();
  if (typeof address !== "object" || address === null) throw new Error("the target has no port");
  const clock = manualClock();
  const pauses: number[] = [];
  const manual: FaultProxyOptions = {
    clock,
    pause: async (ms) => {
      pauses.push(ms);
      clock.advance(ms);
      await turn();
    },
  };
  const proxy = await FaultProxy.start(address.port, {
    ...(options.realTime === true ? {} : manual),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
  });
  const stopTarget = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    if (!target.listening) return;
    target.close();
    await once(target, "close");
  };
  open.defer(stopTarget);
  open.use(proxy);
  return { proxy, clock, pauses, seen: () => Buffer.concat(seen).toString(), stopTarget };
}

interface Dialled {
  socket: Socket;
  received: () => Buffer;
  text: () => string;
  /** Sends and waits for the same to come back. */
  echo: (text: string) => Promise<void>;
  receives: (text: string) => Promise<void>;
  ended: () => Promise<void>;
  /** The code with which the connection broke. */
  broke: () => Promise<string>;
}

async function dial(proxy: FaultProxy): Promise<Dialled> {
  const socket = connect({ port: proxy.port, host: "127.0.0.1", allowHalfOpen: true });
  const chunks: Buffer[] = [];
  let bytes = 0;
  let failure: NodeJS.ErrnoException | undefined;
  let ended = false;
  socket.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    bytes += chunk.length;
  });
  socket.on("error", (error) => {
    failure = error;
  });
  socket.on("end", () => {
    ended = true;
  });
  await once(socket, "connect");
  open.defer(() => void socket.destroy());
  const received = (): Buffer => Buffer.concat(chunks);
  return {
    socket,
    received,
    text: () => received().toString(),
    echo: async (text) => {
      const before = bytes;
      socket.write(text);
      await until(`${text.slice(0, 20)} came back`, () => bytes === before + text.length);
      expect(received().subarray(before).toString()).toBe(text);
    },
    receives: (text) => until(`${text} came`, () => received().toString() === text).then(nothing),
    ended: () => until("it ended", () => ended).then(nothing),
    broke: () => until("it broke", () => failure?.code),
  };
}

function nothing(): void {
  // What was waited for has come.
}

// What was to pass would have passed by now: several turns of the event loop, in which all sockets were served.
async function settled(): Promise<void> {
  for (let turns = 0; turns < 50; turns++) await turn();
}
