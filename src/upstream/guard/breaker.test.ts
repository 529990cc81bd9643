import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { manualClock, type ManualClock } from "../../foundation/index.ts";
import {
  Breaker,
  breakerOptions,
  serverBreakerOptions,
  Tickets,
  type BreakerOptions,
} from "./breaker.ts";

interface Bench {
  readonly clock: ManualClock;
  readonly tickets: Tickets;
  readonly breaker: Breaker;
  /** "from to" by number, one for each transition. */
  readonly changes: string[];
}

function bench(options: Partial<BreakerOptions> = {}): Bench {
  const clock = manualClock();
  const tickets = new Tickets();
  const changes: string[] = [];
  const breaker = new Breaker(
    { ...breakerOptions.parse({}), ...options },
    { clock, tickets, changed: (from, to) => changes.push(`${from} ${to}`) },
  );
  return { clock, tickets, breaker, changes };
}

function fail({ breaker, tickets }: Bench, times = 1): void {
  for (let n = 0; n < times; n++) breaker.failed("SERVER_TIMEOUT", tickets.last);
}

/** One that was opened by failures and whose time is over. */
function due(options: Partial<BreakerOptions> = {}): Bench {
  const own = bench(options);
  fail(own, 5);
  own.clock.advance(60_000);
  return own;
}

test("opens after five failures in a row", () => {
  const own = bench();
  fail(own, 4);
  expect([own.breaker.state, own.breaker.admit()]).toEqual([0, true]);
  fail(own);
  expect([own.breaker.state, own.breaker.admit()]).toEqual([2, false]);
  expect(own.breaker.explain()).toEqual({
    state: "open",
    since: own.clock.now(),
    failures: 0,
    reason: "5 failures in a row, the last with SERVER_TIMEOUT",
    retryAfterMs: 60_000,
  });
});

test("a success begins the row anew", () => {
  const own = bench();
  fail(own, 4);
  own.breaker.succeeded(own.tickets.last);
  fail(own, 4);
  expect(own.breaker.state).toBe(0);
});

test("stays open for its time, and then lets exactly one call through", () => {
  const own = due();
  own.clock.advance(-1);
  expect([own.breaker.retryAfterMs, own.breaker.admit()]).toEqual([1, false]);
  own.clock.advance(1);
  expect([own.breaker.retryAfterMs, own.breaker.state]).toEqual([0, 2]);
  expect([own.breaker.admit(), own.breaker.admit(), own.breaker.state]).toEqual([true, false, 1]);
  expect(own.breaker.retryAfterMs).toBe(1_000);
});

describe("the trial", () => {
  test("closes it when it succeeds", () => {
    const own = due();
    own.breaker.admit();
    own.breaker.succeeded(own.tickets.last);
    expect([own.breaker.state, own.breaker.admit(), own.breaker.admit()]).toEqual([0, true, true]);
    expect(own.changes).toEqual(["0 2", "2 1", "1 0"]);
  });

  test("opens it again when it fails", () => {
    const own = due();
    own.breaker.admit();
    fail(own);
    expect([own.breaker.state, own.breaker.retryAfterMs]).toEqual([2, 60_000]);
    expect(own.breaker.explain().reason).toBe("the trial failed with SERVER_TIMEOUT");
  });

  test("gives its place back when it is cancelled", () => {
    const own = due();
    own.breaker.admit();
    own.breaker.abandoned(own.tickets.last);
    expect([own.breaker.state, own.breaker.admit(), own.breaker.admit()]).toEqual([1, true, false]);
  });

  test("that never ends gives its place back, and is not heard later", () => {
    const own = due();
    own.breaker.admit();
    const first = own.tickets.last;
    own.clock.advance(60_000);
    expect(own.breaker.admit()).toBe(true);
    own.breaker.succeeded(first);
    expect(own.breaker.state).toBe(1);
    own.breaker.abandoned(first);
    expect(own.breaker.admit()).toBe(false);
  });

  test("may have to succeed several times, one after the other", () => {
    const own = due({ half_open_probes: 2 });
    own.breaker.admit();
    own.breaker.succeeded(own.tickets.last);
    expect(own.breaker.state).toBe(1);
    expect([own.breaker.admit(), own.breaker.admit()]).toEqual([true, false]);
    own.breaker.succeeded(own.tickets.last);
    expect(own.breaker.state).toBe(0);
  });
});

test("calls that began before it opened do not close it, open it or free a place", () => {
  const own = bench();
  const early = own.tickets.last;
  fail(own, 5);
  own.breaker.succeeded(early);
  own.breaker.failed("SERVER_CLOSED", early);
  own.clock.advance(60_000);
  own.breaker.admit();
  own.breaker.succeeded(early);
  own.breaker.abandoned(early);
  expect([own.breaker.state, own.breaker.admit()]).toEqual([1, false]);
  own.breaker.succeeded(own.tickets.last);
  for (let n = 0; n < 9; n++) own.breaker.failed("SERVER_CLOSED", early);
  expect([own.breaker.state, own.breaker.failures]).toEqual([0, 0]);
});

describe("by hand", () => {
  test("it is opened until it is closed", () => {
    const own = bench();
    own.breaker.open("maintenance");
    own.clock.advance(1e12);
    expect([own.breaker.admit(), own.breaker.retryAfterMs]).toEqual([false, undefined]);
    expect(own.breaker.explain()).not.toHaveProperty("retryAfterMs");
    expect(own.breaker.explain().reason).toBe("maintenance");
    own.breaker.close();
    expect(own.breaker.admit()).toBe(true);
  });

  test("it is opened for a while, and then tried", () => {
    const own = bench();
    own.breaker.open("maintenance", 5_000);
    expect(own.breaker.admit()).toBe(false);
    own.clock.advance(5_000);
    expect([own.breaker.admit(), own.breaker.admit()]).toEqual([true, false]);
  });

  test("opening what is open changes how long, and is no transition", () => {
    const own = bench();
    own.breaker.open("first", 5_000);
    own.breaker.open("second", 1_000);
    expect([own.breaker.retryAfterMs, own.changes]).toEqual([1_000, ["0 2"]]);
  });

  test("it works where failures are not counted", () => {
    const own = bench({ enabled: false });
    fail(own, 100);
    expect(own.breaker.state).toBe(0);
    own.breaker.open("maintenance");
    expect(own.breaker.admit()).toBe(false);
  });
});

describe("the options", () => {
  test("are five failures, a minute and one trial where nothing is said", () => {
    const defaults = { enabled: true, failures: 5, open_for: 60_000, half_open_probes: 1 };
    expect(breakerOptions.parse({})).toEqual(defaults);
  });

  test("of a server say only what differs", () => {
    expect(serverBreakerOptions.parse({ open_for: "5s" })).toEqual({ open_for: 5_000 });
  });

  test.each([{ failures: 0 }, { open_for: 0 }, { half_open_probes: 0 }, { threshold: 5 }])(
    "refuse %o",
    (options) => {
      expect(breakerOptions.safeParse(options).success).toBe(false);
      expect(serverBreakerOptions.safeParse(options).success).toBe(false);
    },
  );
});

// The model knows no tickets: a call belongs to the period it was admitted in, and each transition and each trial
// begins a new one. After each command both write down what they are.
interface Model {
  state: 0 | 1 | 2;
  failures: number;
  successes: number;
  untilMs: number;
  period: object;
  nowMs: number;
  calls: { ticket: number; period: object }[];
  log: string[];
}

interface Real extends Bench {
  readonly log: string[];
}

type Command = fc.Command<Model, Real>;
type Result = string | number | boolean | undefined;

const options: BreakerOptions = { enabled: true, failures: 3, open_for: 100, half_open_probes: 2 };

function newModel(): Model {
  return {
    state: 0,
    failures: 0,
    successes: 0,
    untilMs: 0,
    period: {},
    nowMs: 0,
    calls: [],
    log: [],
  };
}

/** `run` returns what the model says, and what the breaker says, about the command itself. */
function command(text: string, run: (model: Model, real: Real) => [Result, Result]): Command {
  return {
    check: () => true,
    toString: () => text,
    run(model, real) {
      const [expected, actual] = run(model, real);
      model.log.push(`${text}: ${expected} ${model.state} ${model.failures}`);
      real.log.push(`${text}: ${actual} ${real.breaker.state} ${real.breaker.failures}`);
    },
  };
}

function moveTo(model: Model, state: 0 | 1 | 2, untilMs = 0): void {
  Object.assign(model, { state, failures: 0, successes: 0, untilMs, period: {} });
}

function modelAdmits(model: Model): boolean {
  if (model.state === 0) return true;
  if (model.nowMs < model.untilMs) return false;
  if (model.state === 2) moveTo(model, 1);
  Object.assign(model, { untilMs: model.nowMs + options.open_for, period: {} });
  return true;
}

const admit = command("admit", (model, { breaker, tickets }) => {
  const expected = modelAdmits(model);
  const admitted = breaker.admit();
  if (admitted) model.calls.push({ ticket: tickets.last, period: model.period });
  return [expected, admitted];
});

function outcome(
  text: "succeeded" | "failed" | "abandoned",
  place: number,
  apply: (model: Model) => void,
): Command {
  return command(`${text} ${place}`, (model, { breaker }) => {
    const [call] = model.calls.splice(place % Math.max(1, model.calls.length), 1);
    if (call === undefined) return [undefined, undefined];
    const counts = call.period === model.period;
    if (counts) apply(model);
    if (text === "failed") return [counts, breaker.failed("SERVER_CLOSED", call.ticket)];
    return [undefined, breaker[text](call.ticket) ?? undefined];
  });
}

function modelSucceeds(model: Model): void {
  model.failures = 0;
  if (model.state !== 1) return;
  model.successes++;
  if (model.successes === options.half_open_probes) moveTo(model, 0);
  else modelFrees(model);
}

function modelFails(model: Model): void {
  if (model.state === 0) model.failures++;
  if (model.state === 1 || model.failures === options.failures)
    moveTo(model, 2, model.nowMs + options.open_for);
}

function modelFrees(model: Model): void {
  if (model.state === 1) Object.assign(model, { untilMs: 0, period: {} });
}

function advance(ms: number): Command {
  return command(`advance ${ms}`, (model, { clock }) => {
    model.nowMs += ms;
    clock.advance(ms);
    return [undefined, undefined];
  });
}

const openByHand = command("open by hand", (model, { breaker }) => {
  moveTo(model, 2, model.nowMs + 50);
  breaker.open("maintenance", 50);
  return [undefined, undefined];
});

const closeByHand = command("close by hand", (model, { breaker }) => {
  moveTo(model, 0);
  breaker.close();
  return [undefined, undefined];
});

const place = fc.nat(30);
const commands = fc.commands(
  [
    fc.constant(admit),
    fc.constant(admit),
    fc.constant(admit),
    place.map((n) => outcome("succeeded", n, modelSucceeds)),
    place.map((n) => outcome("failed", n, modelFails)),
    place.map((n) => outcome("failed", n, modelFails)),
    place.map((n) => outcome("abandoned", n, modelFrees)),
    fc.integer({ min: 1, max: 120 }).map(advance),
    fc.constant(openByHand),
    fc.constant(closeByHand),
  ],
  { maxCommands: 150, size: "max" },
);

test("behaves as its description says, for every sequence of events", () => {
  const allowed = new Set(["0 2", "2 1", "1 0", "1 2", "2 0"]);
  fc.assert(
    fc.property(commands, (sequence) => {
      const model = newModel();
      const real = { ...bench(options), log: [] };
      fc.modelRun(() => ({ model, real }), sequence);
      expect(real.log).toEqual(model.log);
      expect(real.changes.filter((change) => !allowed.has(change))).toEqual([]);
    }),
    { numRuns: 500 },
  );
});
