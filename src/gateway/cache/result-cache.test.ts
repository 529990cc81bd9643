import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Metrics, SignalboxError, manualClock, silentLog } from "../../foundation/index.ts";
import { cacheKey, type CacheKey } from "./cache-key.ts";
import { cacheOptions } from "./cache-options.ts";
import { ResultCache } from "./result-cache.ts";
import type {
  Invalidation,
  SecondLevel,
  SecondLevelAnswer,
  SecondLevelListener,
} from "./second-level.ts";
import { TestReader } from "./test-reader.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

const TTL = { ttlMs: 1000, told: false };
const down = new SignalboxError("SERVER_CLOSED", "The server is gone.");

test("the first asks the server, the next has its answer", () => {
  const { cache } = world();
  const [first, second] = ask(cache, 2, "a");
  first.flight().keep(Buffer.from("{}"), TTL);
  expect(second.hits.map(({ body }) => body.toString())).toEqual(["{}"]);
  const [third] = ask(cache, 1, "a");
  expect(third.told).toEqual(["hit"]);
  expect(cache.statistics()).toMatchObject({
    keys: 1,
    hits: 1,
    misses: 2,
    joined: 1,
    hitRate: 1 / 3,
  });
});

test("without lookups there is no hit rate", () => {
  expect(world().cache.statistics().hitRate).toBeUndefined();
});

test("a hundred equal calls make one", () => {
  const { cache } = world();
  const readers = ask(cache, 100, "a");
  expect(readers.filter(({ leads }) => leads)).toHaveLength(1);
  readers[0].flight().keep(Buffer.from("{}"), TTL);
  expect(readers.slice(1).every(({ told }) => told.join() === "hit")).toBe(true);
});

test("more than a thousand that wait go to the server on their own", () => {
  const { cache } = world();
  const readers = ask(cache, 1003, "a");
  expect(readers.filter(({ leads }) => leads)).toHaveLength(2);
});

test("followers get the leader's failure", () => {
  const { cache } = world();
  const [leader, follower] = ask(cache, 2, "a");
  expect(leader.flight().fail(down)).toBeUndefined();
  expect(follower.failures).toEqual(["SERVER_CLOSED"]);
  const [next] = ask(cache, 1, "a");
  expect(next.leads).toBe(true);
});

test("followers get the server's refusal", () => {
  const { cache } = world();
  const [leader, follower] = ask(cache, 2, "a");
  leader.flight().refuse({ code: -32602, message: "no such path" });
  expect(follower.failures).toEqual(["no such path"]);
});

test("an answer for its caller alone sends each follower to the server, and is not kept", () => {
  const { cache } = world();
  const [leader, one, other] = ask(cache, 3, "a");
  leader.flight().pass();
  expect([one.leads, other.leads]).toEqual([true, true]);
  one.flight().keep(Buffer.from("{}"), TTL);
  expect(cache.statistics().keys).toBe(0);
});

test("an answer that is shared is not kept", () => {
  const { cache } = world();
  const [leader, follower] = ask(cache, 2, "a");
  leader.flight().share(Buffer.from("{}"));
  expect(follower.told).toEqual(["hit"]);
  expect(cache.statistics().keys).toBe(0);
});

test("a leader that gives up hands over to the first that still waits", () => {
  const { cache, seats } = world();
  const [leader, gone, next, last] = ask(cache, 4, "a", seats);
  seats[1]?.leave();
  seats[0]?.leave();
  expect([gone.told, next.told, last.told]).toEqual([[], ["fetch"], []]);
  const [late] = ask(cache, 1, "a");
  next.flight().keep(Buffer.from("{}"), TTL);
  expect([last.told, late.told]).toEqual([["hit"], ["hit"]]);
  leader.flight().keep(Buffer.from("old"), TTL);
  expect(bodyOf(cache, "a")).toBe("{}");
});

test("what a follower fetches after a clearing, in place of a leader from before it, is kept", () => {
  const { cache, seats } = world();
  const [, follower] = ask(cache, 2, "a", seats);
  cache.invalidateServer("s");
  seats[0]?.leave();
  follower.flight().keep(Buffer.from("new"), TTL);
  expect(bodyOf(cache, "a")).toBe("new");
});

test("when all give up nothing is left of the flight", () => {
  const { cache, seats } = world();
  ask(cache, 3, "a", seats);
  for (const seat of seats.toReversed()) seat?.leave();
  const [next] = ask(cache, 1, "a");
  expect(next.leads).toBe(true);
});

test("a follower waits no longer than its own patience", () => {
  const { cache } = world();
  const [leader, follower] = ask(cache, 2, "a");
  vi.advanceTimersByTime(4999);
  expect(follower.told).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(follower.failures).toEqual(["SERVER_TIMEOUT"]);
  leader.flight().keep(Buffer.from("{}"), TTL);
  expect(follower.told).toEqual(["failed"]);
});

test("a call that never ends is not waited for for ever", () => {
  const { cache, clock } = world();
  ask(cache, 1, "a");
  clock.advance(10 * 60_000);
  expect(ask(cache, 1, "a")[0].leads).toBe(true);
});

test("one reader that throws does not harm the others", () => {
  const { cache } = world();
  const [leader] = ask(cache, 1, "a");
  const bad = new TestReader();
  bad.hit = () => {
    throw new TypeError("a closed socket");
  };
  cache.read(keyOf("a"), "tool", bad, 5000);
  const [good] = ask(cache, 1, "a");
  leader.flight().keep(Buffer.from("{}"), TTL);
  expect(good.told).toEqual(["hit"]);
});

test("a leader that throws leaves no flight behind", () => {
  const { cache } = world();
  const bad = new TestReader();
  bad.fetch = () => {
    throw new TypeError("no lane");
  };
  expect(() => cache.read(keyOf("a"), "tool", bad, 5000)).toThrow("no lane");
  expect(ask(cache, 1, "a")[0].leads).toBe(true);
});

test("an old answer is given at once while exactly one refresh is under way", () => {
  const { cache, clock } = world();
  keep(cache, "a", "old");
  clock.advance(1000);
  expect(cache.lookup(keyOf("a"), "tool").state).toBe("stale");
  const [one, two, three] = ask(cache, 3, "a");
  expect([one.told, two.told, three.told]).toEqual([["hit", "refresh"], ["hit"], ["hit"]]);
  one.flight().keep(Buffer.from("new"), TTL);
  expect(bodyOf(cache, "a")).toBe("new");
});

test("a refresh that fails is not tried again at once", () => {
  const { cache, clock } = world();
  keep(cache, "a", "old");
  clock.advance(1000);
  ask(cache, 1, "a")[0].flight().fail(down);
  expect(ask(cache, 1, "a")[0].told).toEqual(["hit"]);
  clock.advance(1000);
  expect(ask(cache, 1, "a")[0].told).toEqual(["hit", "refresh"]);
});

test("an older answer stands in for a failure, for the leader and for those who wait", () => {
  const { cache, clock } = world();
  keep(cache, "a", "old");
  clock.advance(1000 + 30_000);
  const [leader, follower] = ask(cache, 2, "a");
  expect(leader.told).toEqual(["fetch"]);
  expect(leader.flight().fail(down)?.body.toString()).toBe("old");
  expect(follower.hits.map(({ body }) => body.toString())).toEqual(["old"]);
  clock.advance(300_000);
  const [late] = ask(cache, 1, "a");
  expect(late.flight().fail(down)).toBeUndefined();
});

test.each(["SERVER_UNAUTHORIZED", "SERVER_REFUSED", "SERVER_TOO_LARGE"] as const)(
  "no older answer stands in for %s, which is the server's word on this very question",
  (code) => {
    const { cache, clock } = world();
    keep(cache, "a", "old");
    clock.advance(1000 + 30_000);
    const [leader, follower] = ask(cache, 2, "a");
    expect(leader.flight().fail(new SignalboxError(code, "no"))).toBeUndefined();
    expect([follower.hits, follower.told]).toEqual([[], ["failed"]]);
  },
);

test("what is held of a server, and how often it helped, is told apart from the others'", () => {
  const { cache } = world();
  keep(cache, "a", "12345");
  ask(cache, 3, "a");
  ask(cache, 1, "b");
  const { bytes, ...figures } = cache.statisticsOf("s");
  expect(figures).toEqual({ keys: 1, hits: 3, misses: 2, hitRate: 0.6 });
  expect(bytes).toBe(cache.statistics().bytes);
  expect(cache.statisticsOf("other")).toEqual({
    keys: 0,
    bytes: 0,
    hits: 0,
    misses: 0,
    hitRate: undefined,
  });
});

test("with both stale windows at 0 an answer ends with its time", () => {
  const { cache, clock } = world({ stale_while_revalidate: 0, stale_if_error: 0 });
  keep(cache, "a", "old");
  clock.advance(1000);
  const [leader] = ask(cache, 1, "a");
  expect(leader.told).toEqual(["fetch"]);
  expect(leader.flight().fail(down)).toBeUndefined();
});

test.each(["invalidateServer", "clear"] as const)(
  "%s empties what it names and says how much",
  (how) => {
    const { cache } = world();
    keep(cache, "a", "1");
    keep(cache, "b", "2");
    expect(cache[how]("s")).toBe(2);
    expect(cache.statistics()).toMatchObject({ keys: 0, bytes: 0, evictions: { invalidated: 2 } });
  },
);

test("a name and a URI are cleared by themselves", () => {
  const { cache } = world();
  keep(cache, "a", "1");
  keep(cache, "b", "2");
  expect(cache.invalidateName("s", "resources", "a")).toBe(0);
  expect(cache.invalidateName("s", "tools", "a")).toBe(1);
  const uri = cacheKey({
    server: "s",
    method: "resources/read",
    name: "file:///x",
    form: "modern",
  });
  const reader = new TestReader();
  cache.read(uri, "resources/read", reader, 5000);
  reader.flight().keep(Buffer.from("{}"), TTL);
  expect(cache.invalidateUri("s", "file:///x")).toBe(1);
  expect(bodyOf(cache, "b")).toBe("2");
});

test("what was read before a write is not kept after it, and nobody joins that read", () => {
  const { cache } = world();
  const [before, waiting] = ask(cache, 2, "a");
  cache.invalidateServer("s");
  const [after] = ask(cache, 1, "a");
  expect(after.leads).toBe(true);
  before.flight().keep(Buffer.from("old"), TTL);
  expect(waiting.told).toEqual(["hit"]);
  expect(after.told).toEqual(["fetch"]);
  expect(bodyOf(cache, "a")).toBeUndefined();
  after.flight().keep(Buffer.from("new"), TTL);
  expect(bodyOf(cache, "a")).toBe("new");
});

test("an answer that is too large is given and not kept", () => {
  const { cache } = world({ entry_bytes_max: 1024 });
  const [leader, follower] = ask(cache, 2, "a");
  leader.flight().keep(Buffer.alloc(1025), TTL);
  expect(follower.told).toEqual(["hit"]);
  expect(cache.statistics().keys).toBe(0);
});

test("metrics count by level and tool", async () => {
  const { cache, clock, metrics } = world({ max_size: 1 });
  keep(cache, "a", "1");
  ask(cache, 2, "a");
  keep(cache, "b", "2");
  clock.advance(10 * 60_000);
  const text = await metrics.render();
  expect(text).toContain('mcp_cache_hits_total{cache_type="memory",tool_name="s__tool"} 2');
  expect(text).toContain('mcp_cache_misses_total{cache_type="memory",tool_name="s__tool"} 2');
  expect(text).toContain('mcp_cache_evictions_total{eviction_reason="size"} 1');
  expect(text).toContain('mcp_cache_evictions_total{eviction_reason="ttl"} 1');
  expect(text).toContain("mcp_cache_size_items 0");
});

test("the leader asks the second level, and its answer serves all and is kept", async () => {
  const second = new FakeSecond();
  const { cache } = world({}, second);
  const [leader, follower] = ask(cache, 2, "a");
  expect(leader.told).toEqual([]);
  second.answer({ found: { body: Buffer.from("shared"), fresh: TTL }, stamp: "1" });
  await settled();
  expect([leader.told, follower.told]).toEqual([["hit"], ["hit"]]);
  expect(bodyOf(cache, "a")).toBe("shared");
  expect(second.stored).toEqual([]);
});

test("what the second level does not know is fetched, and stored there under its stamp", async () => {
  const second = new FakeSecond();
  const { cache } = world({}, second);
  const [leader] = ask(cache, 1, "a");
  second.answer({ found: undefined, stamp: "7" });
  await settled();
  leader.flight().keep(Buffer.from("{}"), TTL);
  expect(second.stored).toEqual(["7"]);
});

test("without a stamp nothing is stored in the second level", async () => {
  const second = new FakeSecond();
  const { cache } = world({}, second);
  const [leader] = ask(cache, 1, "a");
  second.answer({ found: undefined, stamp: undefined });
  await settled();
  leader.flight().keep(Buffer.from("{}"), TTL);
  expect(second.stored).toEqual([]);
  expect(bodyOf(cache, "a")).toBe("{}");
});

test("a leader that gives up while the second level is asked hands over", async () => {
  const second = new FakeSecond();
  const { cache, seats } = world({}, second);
  const [leader, follower] = ask(cache, 2, "a", seats);
  seats[0]?.leave();
  expect(follower.told).toEqual(["fetch"]);
  second.answer({ found: undefined, stamp: "1" });
  await settled();
  expect(leader.told).toEqual([]);
});

test("a refresh asks the second level first, and stores there what it then fetches", async () => {
  const second = new FakeSecond();
  second.away = true;
  const { cache, clock } = world({}, second);
  keep(cache, "a", "old");
  second.away = false;
  clock.advance(1000);
  const [one, two] = ask(cache, 2, "a");
  expect([one.told, two.told]).toEqual([["hit"], ["hit"]]);
  second.answer({ found: undefined, stamp: "9" });
  await settled();
  expect([one.told, two.told]).toEqual([["hit", "refresh"], ["hit"]]);
  one.flight().keep(Buffer.from("new"), TTL);
  expect(second.stored).toEqual(["9"]);
  clock.advance(1000);
  const [three] = ask(cache, 1, "a");
  second.answer({ found: { body: Buffer.from("newer"), fresh: TTL }, stamp: "9" });
  await settled();
  expect(three.told).toEqual(["hit"]);
  expect(bodyOf(cache, "a")).toBe("newer");
});

test("a second level that is away costs nothing", () => {
  const second = new FakeSecond();
  second.away = true;
  const { cache } = world({}, second);
  expect(ask(cache, 1, "a")[0].told).toEqual(["fetch"]);
  expect(cache.statistics().misses).toBe(1);
});

test("what is cleared here is cleared there, and what is cleared there is cleared here", () => {
  const second = new FakeSecond();
  second.away = true;
  const { cache } = world({}, second);
  keep(cache, "a", "1");
  cache.invalidateServer("s");
  expect(second.cleared).toEqual([{ kind: "server", server: "s" }]);
  keep(cache, "a", "2");
  second.listener?.invalidated({ kind: "name", server: "s", method: "tools/call", name: "a" });
  expect(bodyOf(cache, "a")).toBeUndefined();
  keep(cache, "a", "3");
  second.listener?.interrupted();
  expect(bodyOf(cache, "a")).toBeUndefined();
  expect(second.cleared).toHaveLength(1);
});

test("whatever happens, nobody is given an answer older than the last clearing, or than its time", () => {
  const anyName = fc.constantFrom("a", "b");
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("read" as const), name: anyName }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom("keep" as const, "fail" as const, "leave" as const, "pass" as const),
        pick: fc.nat(20),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant("clear" as const), name: fc.option(anyName) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(700) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { cache, clock } = world({ stale_while_revalidate: 300, stale_if_error: 600 });
      const asked: Asked[] = [];
      const clearedAt = new Map<string, number>();
      let turn = 0;
      for (const one of steps) {
        turn++;
        if (one.do === "wait") clock.advance(one.ms);
        else if (one.do === "clear") {
          if (one.name === null) cache.clear();
          else cache.invalidateName("s", "tools", one.name);
          for (const cleared of one.name === null ? ["a", "b"] : [one.name])
            clearedAt.set(cleared, turn);
        } else if (one.do === "read") {
          const reader = new TestReader();
          const entry: Asked = { name: one.name, reader, turn, led: undefined, seat: undefined };
          asked.push(entry);
          entry.seat = cache.read(keyOf(one.name), "s__tool", reader, 1e9);
        } else {
          const leaders = asked.filter(({ reader }) => reader.leads && !reader.flight().ended);
          const chosen = leaders[one.pick % Math.max(1, leaders.length)];
          if (chosen !== undefined) end(one.do, chosen);
        }
        for (const entry of asked) {
          if (entry.reader.leads) entry.led ??= { turn, atMs: clock.monotonicMs() };
        }
        for (const { reader, name: of, turn: askedAt } of asked) {
          expect(reader.told.filter((word) => word !== "refresh").length).toBeLessThanOrEqual(1);
          for (const { body } of reader.hits.splice(0)) {
            const answer = JSON.parse(body.toString());
            expect(answer.name).toBe(of);
            // The server was asked after the last clearing that this reader could know of.
            const cleared = clearedAt.get(of) ?? 0;
            expect(answer.turn).toBeGreaterThanOrEqual(cleared < askedAt ? cleared : 0);
            expect(clock.monotonicMs() - answer.atMs).toBeLessThan(1000 + 600);
          }
        }
      }
      // Whoever leads ends, and then nobody is left waiting.
      for (let round = 0; round < asked.length + 1; round++) {
        for (const { reader } of asked)
          if (reader.leads && !reader.flight().ended) reader.flight().abandon();
      }
      for (const { reader, seat } of asked) {
        expect(reader.told.length > 0 || seat?.state === "left").toBe(true);
      }
    }),
    { numRuns: 500 },
  );

  function end(how: "keep" | "fail" | "leave" | "pass", { reader, name, led, seat }: Asked): void {
    const flight = reader.flight();
    if (how === "keep") flight.keep(Buffer.from(JSON.stringify({ name, ...led })), TTL);
    else if (how === "fail") flight.fail(down);
    else if (how === "pass") flight.pass();
    else if (seat === undefined) flight.abandon();
    else seat.leave();
  }
});

interface Asked {
  readonly name: string;
  readonly reader: TestReader;
  readonly turn: number;
  /** When its server was asked. */
  led: { readonly turn: number; readonly atMs: number } | undefined;
  seat: ReturnType<ResultCache["read"]>;
}

class FakeSecond implements SecondLevel {
  readonly type = "redis";
  readonly stored: string[] = [];
  readonly cleared: Invalidation[] = [];
  away = false;
  listener: SecondLevelListener | undefined;
  #answer = Promise.withResolvers<SecondLevelAnswer>();

  answer(answer: SecondLevelAnswer): void {
    this.#answer.resolve(answer);
    this.#answer = Promise.withResolvers<SecondLevelAnswer>();
  }

  listen(listener: SecondLevelListener): void {
    this.listener = listener;
  }

  get(): Promise<SecondLevelAnswer> | undefined {
    return this.away ? undefined : this.#answer.promise;
  }

  set(...[, , , stamp]: Parameters<SecondLevel["set"]>): void {
    this.stored.push(stamp);
  }

  invalidate(what: Invalidation): void {
    this.cleared.push(what);
  }

  health(): { status: "ok" } {
    return { status: "ok" };
  }
}

// oxlint-disable-next-line typescript/explicit-function-return-type -- a handful of things for tests
function world(options: object = {}, second?: SecondLevel) {
  const clock = manualClock();
  const metrics = new Metrics();
  const cache = new ResultCache(cacheOptions.parse(options), {
    clock,
    metrics,
    log: silentLog,
    second,
  });
  const seats: ReturnType<ResultCache["read"]>[] = [];
  return { cache, clock, metrics, seats };
}

function keyOf(name: string): CacheKey {
  return cacheKey({ server: "s", method: "tools/call", name, form: "modern" });
}

type Readers = [TestReader, TestReader, TestReader, TestReader, ...TestReader[]];

function ask(
  cache: ResultCache,
  count: number,
  name: string,
  seats: ReturnType<ResultCache["read"]>[] = [],
): Readers {
  const readers = Array.from({ length: count }, () => new TestReader());
  for (const reader of readers) seats.push(cache.read(keyOf(name), "s__tool", reader, 5000));
  const [one, two, three, four, ...others] = [
    ...readers,
    ...Array.from({ length: 4 }, () => new TestReader()),
  ];
  if (one === undefined || two === undefined || three === undefined || four === undefined) {
    throw new TypeError("no readers");
  }
  return [one, two, three, four, ...others.slice(0, Math.max(0, count - 4))];
}

function keep(cache: ResultCache, name: string, text: string): void {
  ask(cache, 1, name)[0].flight().keep(Buffer.from(text), TTL);
}

function bodyOf(cache: ResultCache, name: string): string | undefined {
  const found = cache.lookup(keyOf(name), "s__tool");
  return found.state === "miss" ? undefined : found.body.toString();
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
}
