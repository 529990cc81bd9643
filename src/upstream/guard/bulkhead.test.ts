import fc from "fast-check";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import {
  isSignalboxError,
  manualClock,
  SignalboxError,
  type ManualClock,
} from "../../foundation/index.ts";
import {
  Bulkhead,
  bulkheadOptions,
  serverBulkheadOptions,
  type BulkheadOptions,
  type BulkheadWait,
} from "./bulkhead.ts";

interface Bench {
  readonly clock: ManualClock;
  readonly bulkhead: Bulkhead;
  /** What the waiters have heard, in order. */
  readonly heard: string[];
  /** Enters for a principal; the waiter's name stands in `heard`. */
  wait(principal: string, name?: string, waitMaxMs?: number): BulkheadWait | SignalboxError;
}

function bench(options: Partial<BulkheadOptions> = {}): Bench {
  const clock = manualClock();
  const bulkhead = new Bulkhead(
    "files",
    { concurrency: 2, queue: 100, queue_timeout: 10_000, principal_share: 1, ...options },
    { clock },
  );
  const heard: string[] = [];
  return {
    clock,
    bulkhead,
    heard,
    wait: (principal, name = principal, waitMaxMs = 60_000) =>
      bulkhead.enter(
        principal,
        {
          admitted: () => heard.push(`${name} runs`),
          refused: (error) => heard.push(`${name} ${error.code}`),
        },
        waitMaxMs,
      ),
  };
}

function advance({ clock }: Bench, ms: number): void {
  clock.advance(ms);
  vi.advanceTimersByTime(ms);
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
});

test("lets calls in while there is room", () => {
  const { bulkhead } = bench();
  const entered = ["a", "a", "b"].map((principal) => bulkhead.tryEnter(principal));
  expect(entered).toEqual([true, true, false]);
  bulkhead.leave("a");
  expect(bulkhead.tryEnter("b")).toBe(true);
  expect(bulkhead.status()).toMatchObject({ running: 2, waiting: 0, refused: 0 });
});

test("a call that waits runs when another leaves, and nobody overtakes it", () => {
  const own = bench({ concurrency: 1 });
  own.bulkhead.tryEnter("a");
  own.wait("b");
  expect([own.heard, own.bulkhead.tryEnter("c")]).toEqual([[], false]);
  own.bulkhead.leave("a");
  expect(own.heard).toEqual(["b runs"]);
  expect(own.bulkhead.status()).toMatchObject({ running: 1, waiting: 0 });
});

test("where there is room a call that would wait runs at once", () => {
  const own = bench();
  own.wait("a");
  expect([own.heard, own.bulkhead.status().running]).toEqual([["a runs"], 1]);
});

test("the principals' rows take turns, and within a row the first comes first", () => {
  const own = bench({ concurrency: 1 });
  own.bulkhead.tryEnter("x");
  for (const name of ["a1", "a2", "a3", "b1", "c1", "b2"]) own.wait(name.slice(0, 1), name);
  for (const principal of ["x", "a", "b", "c", "a", "b"]) own.bulkhead.leave(principal);
  expect(own.heard.map((line) => line.slice(0, 2))).toEqual(["a1", "b1", "c1", "a2", "b2", "a3"]);
});

describe("a principal that holds its share", () => {
  test("lets the others go first", () => {
    const own = bench({ concurrency: 4, principal_share: 0.5 });
    for (let n = 0; n < 4; n++) own.bulkhead.tryEnter("slow");
    own.wait("slow");
    own.wait("b", "b1");
    own.wait("b", "b2");
    own.bulkhead.leave("slow");
    own.bulkhead.leave("slow");
    expect(own.heard).toEqual(["b1 runs", "b2 runs"]);
  });

  test("goes on when nobody else waits", () => {
    const own = bench({ concurrency: 4, principal_share: 0.5 });
    for (let n = 0; n < 4; n++) own.bulkhead.tryEnter("slow");
    own.wait("slow");
    own.bulkhead.leave("slow");
    expect(own.heard).toEqual(["slow runs"]);
  });

  test("leaves a part of the queue to others", () => {
    const own = bench({ concurrency: 1, queue: 4, principal_share: 0.5 });
    own.bulkhead.tryEnter("a");
    const results = ["a", "a", "a", "b"].map((principal) => own.wait(principal));
    expect(results.map(isSignalboxError)).toEqual([false, false, true, false]);
  });
});

describe("a call is refused", () => {
  test("at once when the queue is full", () => {
    const own = bench({ concurrency: 1, queue: 1 });
    own.bulkhead.tryEnter("a");
    own.wait("a");
    expect(own.wait("b")).toMatchObject({
      code: "SERVER_BUSY",
      message: 'Server "files" is busy: the queue is full (1 calls run, 1 wait).',
      details: { server: "files", running: 1, waiting: 1 },
    });
    expect(own.heard).toEqual([]);
    expect(own.bulkhead.status()).toMatchObject({ refused: 1, timedOut: 0, waiting: 1 });
  });

  test("at once where there is no queue, or no time", () => {
    const none = bench({ concurrency: 1, queue: 0 });
    none.bulkhead.tryEnter("a");
    expect(isSignalboxError(none.wait("b"))).toBe(true);
    const own = bench({ concurrency: 1 });
    own.bulkhead.tryEnter("a");
    expect(isSignalboxError(own.wait("b", "b", 0))).toBe(true);
  });

  test("when it has waited for the longest time", () => {
    const own = bench({ concurrency: 1 });
    own.bulkhead.tryEnter("a");
    own.wait("b");
    advance(own, 9_999);
    expect(own.heard).toEqual([]);
    advance(own, 1);
    expect(own.heard).toEqual(["b SERVER_BUSY"]);
    expect(own.bulkhead.status()).toMatchObject({ waiting: 0, refused: 1, timedOut: 1 });
    own.bulkhead.leave("a");
    expect(own.heard).toEqual(["b SERVER_BUSY"]);
  });

  test("when its own time is over, before those that have more", () => {
    const own = bench({ concurrency: 1 });
    own.bulkhead.tryEnter("a");
    own.wait("b", "long");
    own.wait("c", "short", 500);
    own.wait("c", "shorter", 300);
    advance(own, 300);
    advance(own, 200);
    expect(own.heard).toEqual(["shorter SERVER_BUSY", "short SERVER_BUSY"]);
    advance(own, 9_500);
    expect(own.heard.at(-1)).toBe("long SERVER_BUSY");
  });

  test("when the server goes away", () => {
    const own = bench({ concurrency: 1 });
    own.bulkhead.tryEnter("a");
    own.wait("b");
    own.wait("c");
    own.bulkhead.refuseAll(new SignalboxError("SERVER_DISABLED", "It is disabled."));
    expect(own.heard).toEqual(["b SERVER_DISABLED", "c SERVER_DISABLED"]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

test("one timer serves all that wait", () => {
  const own = bench({ concurrency: 1 });
  own.bulkhead.tryEnter("a");
  for (let n = 0; n < 50; n++) own.wait(`p${n}`, `p${n}`, 5_000 - n);
  expect(vi.getTimerCount()).toBe(1);
  advance(own, 5_000);
  expect(own.bulkhead.status().waiting).toBe(0);
});

test("a wait that is given up is forgotten", () => {
  const own = bench({ concurrency: 1 });
  own.bulkhead.tryEnter("a");
  const [first] = [own.wait("b", "first"), own.wait("b", "second")];
  if (isSignalboxError(first)) throw first;
  expect([first.cancel(), first.cancel()]).toEqual([true, false]);
  own.bulkhead.leave("a");
  expect(own.heard).toEqual(["second runs"]);
});

test("ten thousand calls that end as soon as they run do not stand on each other's shoulders", () => {
  const { bulkhead } = bench({ concurrency: 1, queue: 10_000 });
  bulkhead.tryEnter("a");
  let ran = 0;
  const waiter = {
    admitted: () => {
      ran++;
      bulkhead.leave("a");
    },
    refused: () => undefined,
  };
  for (let n = 0; n < 10_000; n++) bulkhead.enter("a", waiter, 60_000);
  bulkhead.leave("a");
  expect([ran, bulkhead.status().running]).toEqual([10_000, 0]);
});

test("a call that comes while others are let in does not overtake those that wait", () => {
  const { bulkhead } = bench({ concurrency: 1 });
  const heard: string[] = [];
  const again = (): void => {
    bulkhead.leave("a");
    heard.push(`first, and ${bulkhead.tryEnter("a") ? "again" : "no more"}`);
  };
  bulkhead.tryEnter("a");
  bulkhead.enter("a", { admitted: again, refused: () => undefined }, 60_000);
  const second = { admitted: () => heard.push("second"), refused: () => undefined };
  bulkhead.enter("b", second, 60_000);
  bulkhead.leave("a");
  expect(heard).toEqual(["first, and no more", "second"]);
});

test("a principal that never entered cannot leave", () => {
  const { bulkhead } = bench();
  bulkhead.tryEnter("a");
  bulkhead.leave("b");
  bulkhead.leave("a");
  bulkhead.leave("a");
  expect(bulkhead.status().running).toBe(0);
});

test("principals that come and go leave their counts right", () => {
  const { bulkhead } = bench({ concurrency: 3 });
  bulkhead.tryEnter("stays");
  for (let n = 0; n < 5_000; n++) {
    bulkhead.tryEnter(`p${n}`);
    bulkhead.leave(`p${n}`);
  }
  bulkhead.leave("stays");
  expect(bulkhead.status().running).toBe(0);
});

describe("the options", () => {
  test("have defaults", () => {
    expect(bulkheadOptions.parse({})).toEqual({
      concurrency: 256,
      queue: 512,
      queue_timeout: 10_000,
      principal_share: 0.5,
    });
  });

  test("of a server say only what differs", () => {
    expect(serverBulkheadOptions.parse({ queue_timeout: "1s" })).toEqual({ queue_timeout: 1_000 });
  });

  test.each([
    { concurrency: 0 },
    { queue: -1 },
    { queue_timeout: 0 },
    { principal_share: 0 },
    { principal_share: 1.5 },
    { size: 3 },
  ])("refuse %o", (options) => {
    expect(bulkheadOptions.safeParse(options).success).toBe(false);
    expect(serverBulkheadOptions.safeParse(options).success).toBe(false);
  });
});

// The model: plain lists, looked through from the start each time. All times are whole ticks of 20 ms.
class ModelBulkhead {
  readonly log: string[] = [];
  readonly #concurrency: number;
  readonly #queue: number;
  readonly #share: number;
  #running: string[] = [];
  #waiting: { name: string; principal: string; untilMs: number }[] = [];
  #rows: string[] = [];

  constructor(options: Pick<BulkheadOptions, "concurrency" | "queue" | "principal_share">) {
    this.#concurrency = options.concurrency;
    this.#queue = options.queue;
    this.#share = options.principal_share;
  }

  get running(): readonly string[] {
    return this.#running;
  }

  get waiting(): readonly string[] {
    return this.#waiting.map(({ name }) => name);
  }

  enter(principal: string, name: string, untilMs: number): void {
    const queued = this.#waiting.filter((call) => call.principal === principal).length;
    if (this.#running.length < this.#concurrency) this.#run(principal, name);
    else if (this.#waiting.length >= this.#queue || queued >= this.#part(this.#queue))
      this.log.push(`${name} not queued`);
    else {
      this.#waiting.push({ name, principal, untilMs });
      if (queued === 0) this.#rows.push(principal);
    }
  }

  leave(place: number): void {
    this.#running.splice(place, 1);
    const held = (row: string): number => this.#running.filter((one) => one === row).length;
    const below = this.#rows.find((row) => held(row) < this.#part(this.#concurrency));
    const row = below ?? this.#rows[0];
    const call = this.#waiting.find(({ principal }) => principal === row);
    if (row === undefined || call === undefined) return;
    const turn = this.#rows.indexOf(row);
    this.#rows = [...this.#rows.slice(turn + 1), ...this.#rows.slice(0, turn + 1)];
    this.drop(call.name);
    this.#run(row, call.name);
  }

  drop(name: string): void {
    this.#waiting = this.#waiting.filter((call) => call.name !== name);
    const kept = new Set(this.#waiting.map(({ principal }) => principal));
    this.#rows = this.#rows.filter((row) => kept.has(row));
  }

  expire(nowMs: number): void {
    for (const { name } of this.#waiting.filter(({ untilMs }) => untilMs <= nowMs)) {
      this.drop(name);
      this.log.push(`${name} SERVER_BUSY`);
    }
  }

  #run(principal: string, name: string): void {
    this.#running.push(principal);
    this.log.push(`${name} runs`);
  }

  #part(whole: number): number {
    return Math.max(1, Math.floor(whole * this.#share));
  }
}

const step = fc.record({
  what: fc.constantFrom("enter", "enter", "enter", "leave", "leave", "cancel", "tick"),
  principal: fc.constantFrom("a", "b", "c", "d"),
  place: fc.nat(50),
  ticks: fc.integer({ min: 1, max: 20 }),
});
const someOptions = fc.record({
  concurrency: fc.integer({ min: 1, max: 6 }),
  queue: fc.nat(8),
  principal_share: fc.constantFrom(0.2, 0.5, 1),
});

test("behaves as plain lists would: never too many run, nobody is lost, rows take turns", () => {
  fc.assert(
    fc.property(someOptions, fc.array(step, { size: "max", maxLength: 150 }), (options, steps) => {
      const own = bench({ ...options, queue_timeout: 300 });
      const model = new ModelBulkhead(options);
      const waits = new Map<string, BulkheadWait>();
      for (const [number, { what, principal, place, ticks }] of steps.entries()) {
        const name = `${principal}${number}`;
        const nowMs = own.clock.monotonicMs();
        if (what === "enter") {
          const wait = own.wait(principal, name, ticks * 20);
          if (isSignalboxError(wait)) own.heard.push(`${name} not queued`);
          else waits.set(name, wait);
          model.enter(principal, name, nowMs + Math.min(300, ticks * 20));
        } else if (what === "leave" && model.running.length > 0) {
          const leaving = place % model.running.length;
          own.bulkhead.leave(model.running[leaving] ?? "");
          model.leave(leaving);
        } else if (what === "cancel" && model.waiting.length > 0) {
          const given = model.waiting[place % model.waiting.length] ?? "";
          if (waits.get(given)?.cancel() !== true) own.heard.push(`${given} could not be given up`);
          model.drop(given);
        } else if (what === "tick") {
          advance(own, 20);
          model.expire(nowMs + 20);
        }
        const { running, waiting } = own.bulkhead.status();
        expect([running, waiting]).toEqual([model.running.length, model.waiting.length]);
        expect(running).toBeLessThanOrEqual(options.concurrency);
        expect(waiting === 0 || running === options.concurrency).toBe(true);
      }
      expect(own.heard.filter(runs)).toEqual(model.log.filter(runs));
      expect(own.heard.toSorted()).toEqual(model.log.toSorted());
    }),
    { numRuns: 100 },
  );
});

function runs(line: string): boolean {
  return line.endsWith("runs");
}

test("between calls that wait all the time, no principal runs twice before each other has run", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 2, maxLength: 8 }),
      (sizes) => {
        const own = bench({ concurrency: 1, queue: 1_000 });
        own.bulkhead.tryEnter("x");
        for (const [number, size] of sizes.entries())
          for (let n = 0; n < size; n++) own.wait(`p${number}`);
        own.bulkhead.leave("x");
        const rounds = Math.min(...sizes);
        for (let n = 1; n < rounds * sizes.length; n++)
          own.bulkhead.leave(own.heard.at(-1)?.split(" ")[0] ?? "");
        for (let round = 0; round < rounds; round++) {
          const part = own.heard.slice(round * sizes.length, (round + 1) * sizes.length);
          expect(new Set(part).size).toBe(sizes.length);
        }
      },
    ),
  );
});

test("says how long each call waited that had to, however its wait ended, and nothing of those that ran at once", () => {
  const clock = manualClock();
  const waited: number[] = [];
  const bulkhead = new Bulkhead(
    "files",
    { concurrency: 1, queue: 10, queue_timeout: 1_000, principal_share: 1 },
    { clock, waited: (ms) => waited.push(ms) },
  );
  const waiter = { admitted() {}, refused() {} };
  expect(bulkhead.tryEnter("ann")).toBe(true);
  const [next, given] = ["ann", "bob"].map((name) => bulkhead.enter(name, waiter, 60_000));
  bulkhead.enter("cid", waiter, 500);
  expect(waited).toEqual([]);
  clock.advance(100);
  if (given !== undefined && !isSignalboxError(given)) given.cancel();
  clock.advance(100);
  bulkhead.leave("ann");
  expect(isSignalboxError(next)).toBe(false);
  expect(waited).toEqual([100, 200]);
  clock.advance(300);
  vi.advanceTimersByTime(500);
  expect(waited).toEqual([100, 200, 500]);
});
