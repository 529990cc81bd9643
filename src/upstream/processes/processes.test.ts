import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { isSignalboxError, manualClock } from "../../foundation/index.ts";
import { Processes, type Lease, type ProcessesOptions } from "./processes.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Processes under a clock of their own, and the order in which starts came through. */
function set(options: ProcessesOptions = {}) {
  const clock = manualClock();
  const processes = new Processes(clock, options);
  const order: number[] = [];
  const leases = new Map<number, Lease>();
  const failures = new Map<number, unknown>();
  const acquire = (id: number, signal?: AbortSignal, name = "one", processesMax = 1_000): void => {
    const begin = (lease: Lease) => {
      order.push(id);
      return leases.set(id, lease);
    };
    processes
      .acquire({ name, processesMax }, signal)
      .then(begin, (error: unknown) => failures.set(id, error));
  };
  const advance = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await vi.advanceTimersByTimeAsync(ms);
  };
  return { processes, order, leases, failures, acquire, advance };
}

test("lets so many start at once, and the next when one has started", async () => {
  const { processes, order, leases, acquire, advance } = set({ startsAtOnceMax: 2 });
  for (const id of [1, 2, 3, 4]) acquire(id);
  await advance(0);
  expect(order).toEqual([1, 2]);
  leases.get(2)?.started();
  await advance(0);
  expect(order).toEqual([1, 2, 3]);
  leases.get(1)?.release();
  await advance(0);
  expect(order).toEqual([1, 2, 3, 4]);
  expect(processes.state()).toEqual({ taken: 3, starting: 2, waiting: 0, totalMax: 256 });
});

test("lets no more than so many start within a second", async () => {
  const { order, leases, acquire, advance } = set({ startsPerSecondMax: 3 });
  for (let id = 0; id < 7; id += 1) acquire(id);
  for (const expected of [3, 6, 7]) {
    await advance(0);
    for (const lease of leases.values()) lease.started();
    expect(order).toHaveLength(expected);
    await advance(999);
    expect(order).toHaveLength(expected);
    await advance(1);
  }
});

test("refuses a server more than its own, and all servers more than the total", async () => {
  const { processes, failures, leases, acquire, advance } = set({ totalMax: 3 });
  acquire(1, undefined, "a", 2);
  acquire(2, undefined, "a", 2);
  acquire(3, undefined, "a", 2);
  acquire(4, undefined, "b", 2);
  acquire(5, undefined, "b", 2);
  await advance(0);
  const said = [3, 5].map((id) => failures.get(id));
  expect(said.map((error) => isSignalboxError(error) && [error.code, error.message])).toEqual([
    ["PROCESS_LIMIT", 'The server "a" has 2 processes, which is its limit.'],
    [
      "PROCESS_LIMIT",
      'The server "b" cannot start: 3 local processes run, which is the limit of all servers together.',
    ],
  ]);
  leases.get(1)?.release();
  leases.get(1)?.release();
  expect(processes.count("a")).toBe(1);
  acquire(6, undefined, "b", 2);
  await advance(0);
  expect(leases.has(6)).toBe(true);
});

test("refuses who has given up already", async () => {
  const { processes, failures, acquire, advance } = set();
  acquire(1, AbortSignal.abort(new Error("gone")));
  await advance(0);
  expect(failures.get(1)).toEqual(new Error("gone"));
  expect(processes.state().taken).toBe(0);
});

/** `which` counts back from the one who asked last, over all who asked. */
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("acquire" as const),
      server: fc.integer({ min: 0, max: 3 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom("abort" as const, "started" as const, "release" as const),
      which: fc.nat(15),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.nat(1_500) }),
  },
);

const limits = fc.record({
  totalMax: fc.integer({ min: 1, max: 12 }),
  startsAtOnceMax: fc.integer({ min: 1, max: 4 }),
  startsPerSecondMax: fc.integer({ min: 1, max: 5 }),
});

test("keeps every bound, the order of asking, and leaves no hole, whatever happens", async () => {
  const property = fc.asyncProperty(
    limits,
    fc.array(step, { maxLength: 80, size: "max" }),
    async (most, steps) => {
      const { processes, order, leases, failures, acquire, advance } = set(most);
      const aborts: AbortController[] = [];
      const startedAt: number[] = [];
      const started = new Set<number>();
      const released = new Set<number>();
      let nowMs = 0;
      for (const one of steps) {
        if (one.kind === "acquire") {
          const abort = new AbortController();
          acquire(aborts.push(abort) - 1, abort.signal, `s${one.server}`, 5);
        } else if (one.kind === "advance") {
          nowMs += one.ms;
          await advance(one.ms);
        } else if (one.kind === "abort") {
          aborts.at(-1 - one.which)?.abort(new Error("given up"));
        } else {
          const id = aborts.length - 1 - one.which;
          const lease = leases.get(id);
          if (lease !== undefined) started.add(id);
          if (lease !== undefined && one.kind === "release") released.add(id);
          lease?.[one.kind]();
        }
        await advance(0);
        while (startedAt.length < order.length) startedAt.push(nowMs);
        const state = processes.state();
        const starting = order.filter((id) => !started.has(id)).length;
        expect(state.starting).toBe(starting);
        expect(starting).toBeLessThanOrEqual(most.startsAtOnceMax);
        const lost = [...failures.keys()].length + released.size;
        expect(state.taken).toBe(aborts.length - lost);
        expect(state.taken).toBeLessThanOrEqual(most.totalMax);
        // Nobody waits while a start is permitted.
        const recent = startedAt.filter((at) => nowMs - at < 1_000).length;
        expect(recent).toBeLessThanOrEqual(most.startsPerSecondMax);
        const permitted = starting < most.startsAtOnceMax && recent < most.startsPerSecondMax;
        expect(permitted && state.waiting > 0).toBe(false);
      }
      expect(order).toEqual(order.toSorted((a, b) => a - b));
      // All who still wait come through in the end.
      for (let round = 0; round < 100 && processes.state().waiting > 0; round += 1) {
        for (const lease of leases.values()) lease.started();
        await advance(1_000);
      }
      expect(processes.state().waiting).toBe(0);
      for (const lease of leases.values()) lease.release();
      expect(processes.state()).toMatchObject({ taken: 0, starting: 0 });
      for (let server = 0; server < 4; server += 1) expect(processes.count(`s${server}`)).toBe(0);
    },
  );
  await fc.assert(property, { numRuns: 200 });
});
