import fc from "fast-check";
import { expect, test } from "vitest";
import type { CacheKey } from "./cache-key.ts";
import { ENTRY_OVERHEAD_BYTES, MemoryStore, type EvictionReason } from "./memory-store.ts";

test("the answer unused for longest goes first", () => {
  const { store, evicted } = small({ entriesMax: 2 });
  put(store, "a");
  put(store, "b");
  expect(store.get(key("a"), 0)).toBeDefined();
  put(store, "c");
  expect(held(store, ["a", "b", "c"])).toEqual(["a", "c"]);
  expect(evicted).toEqual({ size: 1, bytes: 0, ttl: 0, invalidated: 0 });
});

test("bytes are bounded as well", () => {
  const { store, evicted } = small({ bytesMax: 4 * ENTRY_OVERHEAD_BYTES });
  put(store, "a", 600);
  put(store, "b", 600);
  expect(held(store, ["a", "b"])).toEqual(["b"]);
  expect(evicted.bytes).toBe(1);
});

test("an answer larger than all room is refused, and the earlier one with it is gone", () => {
  const { store } = small({ bytesMax: 1000 });
  put(store, "a");
  expect(put(store, "a", 2000)).toBe(false);
  expect(store.size).toBe(0);
  expect(store.bytes).toBe(0);
});

test("what is dead is dropped when it is asked for, and by sweeping", () => {
  const { store, evicted } = small({});
  for (const name of ["a", "b", "c"]) put(store, name, 1, 100);
  expect(store.get(key("a"), 100)).toBeUndefined();
  expect(store.sweep(99)).toBe(0);
  expect(store.sweep(100)).toBe(2);
  expect(evicted.ttl).toBe(3);
  expect(store.size).toBe(0);
});

test("clearing changes the server's generation, and no other's", () => {
  const { store } = small({});
  const before = [store.generation("s"), store.generation("t")];
  put(store, "a");
  expect(store.clearServer("s")).toBe(1);
  expect(store.generation("s")).not.toBe(before[0]);
  expect(store.generation("t")).toBe(before[1]);
  expect(store.clearServer("unknown")).toBe(0);
});

test("one name is cleared with all its arguments, and nothing else", () => {
  const { store } = small({});
  put(store, "a");
  put(store, "a 2");
  put(store, "b");
  expect(store.clearName("s", "tools/call", "a")).toBe(2);
  expect(store.clearName("s", "resources/read", "b")).toBe(0);
  expect(held(store, ["a", "a 2", "b"])).toEqual(["b"]);
});

test("servers that come and go leave nothing behind", () => {
  const { store } = small({});
  put(store, "a");
  const first = store.generation("server 0");
  for (let n = 0; n < 10_000; n++) store.generation(`server ${n}`);
  expect(held(store, ["a"])).toEqual(["a"]);
  expect(store.generation("server 0")).not.toBe(first);
});

type Step =
  | { readonly do: "put"; readonly name: string; readonly bytes: number; readonly ttlMs: number }
  | { readonly do: "get" | "clearName"; readonly name: string }
  | { readonly do: "clearServer"; readonly server: string }
  | { readonly do: "pass"; readonly ms: number }
  | { readonly do: "clearAll" | "sweep" };

const names = fc.constantFrom("a", "a 2", "b", "c", "d", "e 1", "e 2", "t/a", "t/b");
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("put" as const),
      name: names,
      bytes: fc.nat(900),
      ttlMs: fc.nat(50),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("get" as const), name: names }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("clearName" as const), name: names }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("clearServer" as const),
      server: fc.constantFrom("s", "t"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.nat(40) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom("clearAll" as const, "sweep" as const) }),
  },
);

test("whatever is done, it holds what a plain list in order of use holds", () => {
  const bounds = { entriesMax: 4, bytesMax: 5 * ENTRY_OVERHEAD_BYTES };
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { store, evicted } = small(bounds);
      const model = new Model(bounds);
      let now = 0;
      for (const one of steps) {
        if (one.do === "pass") now += one.ms;
        const [real, expected] =
          one.do === "pass" ? [] : [runOn(store, one, now), model.run(one, now)];
        expect(real).toEqual(expected);
        expect(store.size).toBe(model.held.length);
        expect(store.bytes).toBe(model.bytes);
        expect(store.size).toBeLessThanOrEqual(bounds.entriesMax);
        expect(store.bytes).toBeLessThanOrEqual(bounds.bytesMax);
        expect(evicted).toEqual(model.evicted);
      }
      const left = model.held.map(({ name }) => name).toSorted();
      const all = ["a", "a 2", "b", "c", "d", "e 1", "e 2", "t/a", "t/b"];
      expect(all.filter((name) => store.get(key(name), -1) !== undefined).toSorted()).toEqual(left);
    }),
    { numRuns: 500 },
  );
});

/** The same by brute force: newest last. */
class Model {
  held: { name: string; bytes: number; deadAt: number }[] = [];
  readonly evicted: Record<EvictionReason, number> = { size: 0, bytes: 0, ttl: 0, invalidated: 0 };
  readonly #bounds: { entriesMax: number; bytesMax: number };

  constructor(bounds: { entriesMax: number; bytesMax: number }) {
    this.#bounds = bounds;
  }

  get bytes(): number {
    return this.held.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  run(one: Exclude<Step, { do: "pass" }>, now: number): unknown {
    switch (one.do) {
      case "put":
        return this.#put(one.name, sizeOf(one.name, one.bytes), now + one.ttlMs);
      case "get":
        return this.#get(one.name, now);
      case "clearName": {
        const meant = key(one.name);
        return this.#drop(
          "invalidated",
          ({ server, name }) => server === meant.server && name === meant.name,
        );
      }
      case "clearServer":
        return this.#drop("invalidated", ({ server }) => server === one.server);
      case "clearAll":
        return this.#drop("invalidated", () => true);
      case "sweep": {
        const dead = new Set(
          this.held.filter(({ deadAt }) => now >= deadAt).map(({ name }) => name),
        );
        return this.#drop("ttl", ({ text }) => dead.has(text));
      }
    }
    throw new TypeError("no such step");
  }

  #put(name: string, bytes: number, deadAt: number): boolean {
    this.held = this.held.filter((entry) => entry.name !== name);
    if (bytes > this.#bounds.bytesMax) return false;
    this.held.push({ name, bytes, deadAt });
    while (this.held.length > this.#bounds.entriesMax) this.#shift("size");
    while (this.bytes > this.#bounds.bytesMax) this.#shift("bytes");
    return true;
  }

  #shift(reason: EvictionReason): void {
    this.held.shift();
    this.evicted[reason]++;
  }

  #get(name: string, now: number): boolean {
    const entry = this.held.find((other) => other.name === name);
    if (entry === undefined) return false;
    this.held = this.held.filter((other) => other !== entry);
    if (now >= entry.deadAt) this.evicted.ttl++;
    else this.held.push(entry);
    return now < entry.deadAt;
  }

  #drop(reason: EvictionReason, isMeant: (key: CacheKey) => boolean): number {
    const before = this.held.length;
    this.held = this.held.filter(({ name }) => !isMeant(key(name)));
    this.evicted[reason] += before - this.held.length;
    return before - this.held.length;
  }
}

function runOn(store: MemoryStore, one: Exclude<Step, { do: "pass" }>, now: number): unknown {
  switch (one.do) {
    case "put":
      return put(store, one.name, one.bytes, now + one.ttlMs);
    case "get":
      return store.get(key(one.name), now) !== undefined;
    case "clearName": {
      const { server, method, name } = key(one.name);
      return store.clearName(server, method, name);
    }
    case "clearServer":
      return store.clearServer(one.server);
    case "clearAll":
      return store.clearAll();
    case "sweep":
      return store.sweep(now);
  }
  throw new TypeError("no such step");
}

/** "t/a 2" is tool "a" of server "t" with other arguments than "t/a"; without a server it is "s". */
function key(text: string): CacheKey {
  const [name = "", server = "s"] = text.split("/").toReversed();
  return { server, method: "tools/call", name: name.split(" ")[0] ?? "", shared: true, text };
}

function sizeOf(text: string, bytes: number): number {
  return bytes + 2 * text.length + ENTRY_OVERHEAD_BYTES;
}

function put(store: MemoryStore, text: string, bytes = 1, deadAt = Infinity): boolean {
  const facts = { body: Buffer.alloc(bytes), freshUntil: deadAt, deadAt, told: false };
  return store.put(key(text), facts);
}

function held(store: MemoryStore, texts: readonly string[]): string[] {
  return texts.filter((text) => store.get(key(text), 0) !== undefined);
}

function small(bounds: { entriesMax?: number; bytesMax?: number }): {
  store: MemoryStore;
  evicted: Record<EvictionReason, number>;
} {
  const evicted = { size: 0, bytes: 0, ttl: 0, invalidated: 0 };
  const store = new MemoryStore(
    { entriesMax: 100, bytesMax: 1_000_000, ...bounds },
    (reason, count) => {
      evicted[reason] += count;
    },
  );
  return { store, evicted };
}
