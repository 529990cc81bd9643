import fc from "fast-check";
import { expect, test } from "vitest";
import { manualClock, type ManualClock } from "../../foundation/index.ts";
import { balanceOptions, strategyNames, type StrategyName } from "./balance-options.ts";
import { EndpointChooser } from "./endpoint-chooser.ts";
import { fakeEndpoint, seededRandom, type FakeEndpoint } from "./fake-endpoints.ts";

interface Setting {
  clock: ManualClock;
  chooser: EndpointChooser<FakeEndpoint>;
  /** What the listener heard, such as "a ejected failures_in_a_row until 10000" with milliseconds from now. */
  heard: string[];
}

function setUp(settings: Parameters<typeof balanceOptions.parse>[0] = {}): Setting {
  const clock = manualClock();
  const heard: string[] = [];
  const chooser = new EndpointChooser<FakeEndpoint>({
    options: balanceOptions.parse(settings),
    clock,
    random: seededRandom(1),
    listener: {
      onEjected: ({ id }, untilMs, reason) =>
        heard.push(`${id} ejected ${reason} for ${untilMs - clock.now()}`),
      onReturned: ({ id }) => heard.push(`${id} returned`),
    },
  });
  return { clock, chooser, heard };
}

function group(clock: ManualClock, ids: string, priority = 0): FakeEndpoint[] {
  return Array.from(ids, (id) => fakeEndpoint(clock, id, { priority }));
}

const LATENCY_MS = 10;

function fail(setting: Setting, member: FakeEndpoint, members: FakeEndpoint[], times = 5): void {
  const { clock, chooser } = setting;
  for (let n = 0; n < times; n++) {
    member.health.started();
    clock.advance(LATENCY_MS);
    member.health.ended("failed", LATENCY_MS);
    chooser.report(member, members);
  }
}

function succeed({ clock }: Setting, member: FakeEndpoint): void {
  member.health.started();
  clock.advance(LATENCY_MS);
  member.health.ended("ok", LATENCY_MS);
}

/** Who is chosen in the next twelve calls, sorted. */
function chosenFrom(
  { chooser }: Setting,
  members: FakeEndpoint[],
  avoid: FakeEndpoint[] = [],
): string {
  const ids = Array.from({ length: 12 }, () => chooser.choose(members, { avoid })?.id ?? "-");
  return [...new Set(ids)].toSorted().join("");
}

test("one member is taken at once, ejected or not, unless its link cannot take a call", () => {
  const setting = setUp();
  const [only] = group(setting.clock, "a");
  if (only === undefined) return;
  only.health.eject(10_000, 30_000);
  expect(setting.chooser.choose([only])).toBe(only);
  expect(setting.chooser.choose([only], { avoid: [only] })).toBe(only);
  only.usable = false;
  expect(setting.chooser.choose([only])).toBeUndefined();
});

test("none is chosen where there is none", () => {
  expect(setUp().chooser.choose([])).toBeUndefined();
});

test("an unusable member is passed over", () => {
  const setting = setUp();
  const members = group(setting.clock, "abc");
  for (const member of members) if (member.id === "b") member.usable = false;
  expect(chosenFrom(setting, members)).toBe("ac");
  for (const member of members) member.usable = false;
  expect(chosenFrom(setting, members)).toBe("-");
});

test("a later priority is used when the first has nobody, and only then", () => {
  const setting = setUp();
  const first = group(setting.clock, "ab");
  const members = [...group(setting.clock, "xy", 7), ...first, ...group(setting.clock, "m", 3)];
  expect(chosenFrom(setting, members)).toBe("ab");
  expect(chosenFrom(setting, members, first)).toBe("m");
  for (const member of first) member.usable = false;
  expect(chosenFrom(setting, members)).toBe("m");
  for (const member of members) member.usable = member.priority === 7;
  expect(chosenFrom(setting, members)).toBe("xy");
});

test("without failover only the first priority is ever used", () => {
  const setting = setUp({ failover_enabled: false });
  const [a, ...rest] = group(setting.clock, "ab");
  const members = [...group(setting.clock, "x", 1), ...(a === undefined ? [] : [a]), ...rest];
  expect(chosenFrom(setting, members)).toBe("ab");
  expect(chosenFrom(setting, members, members)).toBe("ab");
  for (const member of members) member.usable = member.priority > 0;
  expect(chosenFrom(setting, members)).toBe("-");
});

test("avoided members are taken rather than none", () => {
  const setting = setUp();
  const members = group(setting.clock, "abc");
  const [a, b, c] = members;
  if (a === undefined || b === undefined || c === undefined) return;
  expect(chosenFrom(setting, members, [a])).toBe("bc");
  expect(chosenFrom(setting, members, [a, b, c])).toBe("abc");
  c.usable = false;
  expect(chosenFrom(setting, members, [a, b])).toBe("ab");
  b.health.eject(10_000, 30_000);
  // An ejected one that has not failed this call is better than one that has.
  expect(chosenFrom(setting, members, [a])).toBe("b");
  expect(chosenFrom(setting, members, [a, b])).toBe("a");
});

test("five failures in a row eject, four and a success do not", () => {
  const setting = setUp();
  const members = group(setting.clock, "abc");
  const [a] = members;
  if (a === undefined) return;
  fail(setting, a, members, 4);
  succeed(setting, a);
  fail(setting, a, members, 4);
  expect(setting.heard).toEqual([]);
  fail(setting, a, members, 1);
  expect(setting.heard).toEqual(["a ejected failures_in_a_row for 10000"]);
  expect(chosenFrom(setting, members)).toBe("bc");
});

test("half of twenty calls within ten seconds eject, of fewer or older ones not", () => {
  const setting = setUp();
  const members = group(setting.clock, "abc");
  const [a] = members;
  if (a === undefined) return;
  const pair = (): void => {
    succeed(setting, a);
    fail(setting, a, members, 1);
  };
  for (let n = 0; n < 9; n++) pair();
  setting.clock.advance(10_000);
  for (let n = 0; n < 9; n++) pair();
  expect(setting.heard).toEqual([]);
  pair();
  expect(setting.heard).toEqual(["a ejected failure_share for 10000"]);
});

test("while ejected, failures change nothing", () => {
  const setting = setUp();
  const members = group(setting.clock, "abcd");
  const [a] = members;
  if (a === undefined) return;
  fail(setting, a, members, 50);
  expect(setting.heard).toHaveLength(1);
});

test("an ejected member comes back when its time is over, slowly", () => {
  const setting = setUp();
  const members = group(setting.clock, "abc");
  const [a] = members;
  if (a === undefined) return;
  fail(setting, a, members);
  setting.clock.advance(9_999);
  expect(chosenFrom(setting, members)).toBe("bc");
  expect(setting.chooser.explain(a).ejectedUntil).toBe(setting.clock.now() + 1);
  setting.clock.advance(1);
  const chosen = Array.from({ length: 100 }, () => setting.chooser.choose(members));
  expect(setting.heard.at(-1)).toBe("a returned");
  expect(chosen.filter((member) => member === a).length).toBeGreaterThan(0);
  expect(chosen.filter((member) => member === a).length).toBeLessThan(10);
  expect(setting.chooser.explain(a).slowStart).toBeCloseTo(0.1);
  succeed(setting, a);
  setting.clock.advance(10_000);
  expect(chosenFrom(setting, members)).toBe("abc");
  expect(setting.chooser.explain(a).slowStart).toBe(1);
});

test("each ejection right after a return lasts twice as long, to a maximum", () => {
  const setting = setUp();
  const members = group(setting.clock, "abc");
  const [a] = members;
  if (a === undefined) return;
  const times: string[] = [];
  for (let n = 0; n < 7; n++) {
    fail(setting, a, members);
    times.push(setting.heard.at(-1)?.split(" ").at(-1) ?? "");
    setting.clock.advance(300_000);
    setting.chooser.explain(a);
  }
  expect(times.join(" ")).toBe("10000 20000 40000 80000 160000 300000 300000");
  succeed(setting, a);
  setting.clock.advance(7 * 30_000);
  fail(setting, a, members);
  expect(setting.heard.at(-1)).toBe("a ejected failures_in_a_row for 10000");
});

test.each([
  { ids: "ab", share: 0.5, most: 1 },
  { ids: "abc", share: 0.5, most: 1 },
  { ids: "abcd", share: 0.5, most: 2 },
  { ids: "abcde", share: 0.1, most: 1 },
  { ids: "abcde", share: 0, most: 0 },
  { ids: "abcd", share: 1, most: 3 },
  { ids: "a", share: 1, most: 0 },
])("of $ids at most $most are ejected where the share is $share", ({ ids, share, most }) => {
  const setting = setUp({ ejected_share_max: share });
  const members = group(setting.clock, ids);
  for (const member of members) fail(setting, member, members, 20);
  expect(members.filter(({ health }) => health.ejected)).toHaveLength(most);
});

test("the last member with a usable link is not ejected", () => {
  const setting = setUp({ ejected_share_max: 1 });
  const members = group(setting.clock, "abc");
  for (const member of members) member.usable = member.id === "b";
  for (const member of members) if (member.usable) fail(setting, member, members);
  expect(setting.heard).toEqual([]);
});

test("a priority may be ejected whole where as many of another stand by, and failover is on", () => {
  for (const [standby, failover, ejected] of [
    ["xy", true, 2],
    ["x", true, 1],
    ["xy", false, 1],
  ] as const) {
    const setting = setUp({ failover_enabled: failover });
    const first = group(setting.clock, "ab");
    const members = [...first, ...group(setting.clock, standby, 1)];
    for (const member of first) fail(setting, member, members);
    expect(first.filter(({ health }) => health.ejected)).toHaveLength(ejected);
    expect(chosenFrom(setting, members)).toBe(ejected === 2 ? standby : "b");
  }
});

test("when all are ejected, all usable ones of the first priority take calls", () => {
  const setting = setUp();
  const members = [...group(setting.clock, "abc"), ...group(setting.clock, "xy", 1)];
  for (const { health } of members) health.eject(10_000, 30_000);
  expect(chosenFrom(setting, members)).toBe("abc");
  for (const member of members) member.usable = member.priority > 0 || member.id === "c";
  expect(chosenFrom(setting, members)).toBe("c");
  for (const member of members) member.usable = member.priority > 0;
  expect(chosenFrom(setting, members)).toBe("xy");
});

test("explains where an endpoint stands", () => {
  const setting = setUp();
  const members = group(setting.clock, "ab");
  const [a] = members;
  if (a === undefined) return;
  expect(setting.chooser.explain(a)).toEqual({
    score: 1,
    inFlight: 0,
    ejections: 0,
    slowStart: 1,
    weight: 1,
    priority: 0,
  });
  a.health.started();
  fail(setting, a, members);
  const { score } = setting.chooser.explain(a);
  expect(score).toBeCloseTo(4 / 9);
  expect(setting.chooser.explain(a)).toEqual({
    score,
    latencyMs: 10,
    inFlight: 1,
    ejectedUntil: setting.clock.now() + 10_000,
    ejections: 1,
    slowStart: 1,
    weight: 1,
    priority: 0,
  });
});

const memberSettings = fc.record({
  weight: fc.integer({ min: 1, max: 5 }),
  priority: fc.nat(2),
  usable: fc.boolean(),
  ejected: fc.boolean(),
  avoided: fc.boolean(),
});

test("for all members, the one chosen is of the best condition and then of the first priority", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...strategyNames),
      fc.boolean(),
      fc.array(memberSettings, { maxLength: 8 }),
      fc.option(fc.string(), { nil: undefined }),
      (strategy: StrategyName, failover, settings, key) => {
        const { clock, chooser } = setUp({ strategy, failover_enabled: failover });
        const known = settings.map((setting, n) => ({
          ...setting,
          endpoint: fakeEndpoint(clock, String(n), setting),
        }));
        for (const { ejected, endpoint } of known)
          if (ejected) endpoint.health.eject(10_000, 30_000);
        const members = known.map(({ endpoint }) => endpoint);
        const avoid = known.filter(({ avoided }) => avoided).map(({ endpoint }) => endpoint);
        const chosen = chooser.choose(members, { key, avoid });

        const first = Math.min(...known.map(({ priority }) => priority));
        const open = known.filter(
          ({ usable, priority }) => usable && (failover || priority === first),
        );
        const rank = (one: (typeof known)[number]): number =>
          (one.avoided ? 200 : 0) + (one.ejected ? 100 : 0) + one.priority;
        const best = Math.min(...open.map(rank));
        const allowed = open.filter((one) => rank(one) === best).map(({ endpoint }) => endpoint);
        expect(allowed.length === 0 ? [undefined] : allowed).toContain(chosen);
      },
    ),
  );
});

test("for all sequences of outcomes, no priority loses more than its share, nor its last member", () => {
  const step = fc.record({ member: fc.nat(7), ok: fc.boolean(), passedMs: fc.nat(5_000) });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.array(step, { maxLength: 300 }),
      (size, share, steps) => {
        const { clock, chooser } = setUp({ ejected_share_max: share, ejection_failures: 2 });
        const members = group(clock, "abcdefgh".slice(0, size));
        for (const { member: place, ok, passedMs } of steps) {
          clock.advance(passedMs);
          const member = members[place % size];
          member?.health.started();
          member?.health.ended(ok ? "ok" : "failed", 1);
          if (member !== undefined && !ok) chooser.report(member, members);
          chooser.choose(members);
          const ejected = members.filter(({ health }) => health.ejected).length;
          const most = share === 0 ? 0 : Math.max(1, Math.floor(size * share));
          expect(ejected).toBeLessThanOrEqual(Math.min(most, size - 1));
        }
      },
    ),
  );
});
