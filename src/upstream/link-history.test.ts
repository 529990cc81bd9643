import fc from "fast-check";
import { expect, test } from "vitest";
import { LinkHistory } from "./link-history.ts";
import { LINK_STATES, type LinkState } from "./server-status.ts";

const states = fc.constantFrom(...LINK_STATES);
/** Changes of state, each so many milliseconds after the one before; the clock may be set back. */
const steps = fc.array(fc.tuple(states, fc.integer({ min: -5_000, max: 100_000 })), {
  maxLength: 250,
});
const forward = fc.array(fc.tuple(states, fc.nat(100_000)), { maxLength: 250 });

const isUp = (state: LinkState): boolean => state === "connected" || state === "degraded";

test("the uptime is a share, whatever happens and whatever the clock does", () => {
  fc.assert(
    fc.property(states, steps, fc.integer({ min: -5_000, max: 100_000 }), (first, made, later) => {
      let at = 1_000_000;
      const history = new LinkHistory(first, at);
      for (const [to, afterMs] of made) history.enter(to, (at += afterMs), "so");
      const uptime = history.uptime(at + later) ?? 0;
      expect(uptime).toBeGreaterThanOrEqual(0);
      expect(uptime).toBeLessThanOrEqual(1);
      expect(history.upSpellMs(at + later)).toBeGreaterThanOrEqual(0);
    }),
  );
});

test("the uptime is the time spent up over the time lived", () => {
  fc.assert(
    fc.property(states, forward, fc.integer({ min: 1, max: 100_000 }), (first, made, later) => {
      const bornAt = 1_000_000;
      let at = bornAt;
      let state = first;
      let upMs = 0;
      const history = new LinkHistory(first, at);
      for (const [to, afterMs] of made) {
        if (isUp(state)) upMs += afterMs;
        history.enter(to, (at += afterMs), "so");
        state = to;
      }
      at += later;
      if (isUp(state)) upMs += later;
      expect(history.uptime(at)).toBeCloseTo(upMs / (at - bornAt), 9);
    }),
  );
});

test("of the transitions the newest hundred are kept, in order, each beginning where the last one ended", () => {
  fc.assert(
    fc.property(states, steps, (first, made) => {
      let at = 0;
      const history = new LinkHistory(first, at);
      for (const [to, afterMs] of made) history.enter(to, (at += afterMs), "so");
      const { transitions } = history;
      expect(transitions).toHaveLength(Math.min(made.length, 100));
      expect(transitions.map(({ to }) => to)).toEqual(made.slice(-100).map(([to]) => to));
      expect(transitions.slice(1).map(({ from }) => from)).toEqual(
        transitions.slice(0, -1).map(({ to }) => to),
      );
    }),
  );
});

test("a spell lasts while the link is connected or degraded, and begins anew after a break", () => {
  const history = new LinkHistory("idle", 0);
  expect(history.upSpellMs(10)).toBe(0);
  history.enter("connected", 100, "speaks");
  history.enter("degraded", 150, "fails");
  history.enter("connected", 180, "succeeds");
  expect([history.since, history.upSpellMs(200)]).toEqual([180, 100]);
  history.enter("reconnecting", 210, "broke");
  expect(history.upSpellMs(250)).toBe(0);
  history.enter("connected", 260, "speaks");
  expect(history.upSpellMs(300)).toBe(40);
});

test("a reconnection is a lost connection that was made again, not one closed for want of use", () => {
  const history = new LinkHistory("idle", 0);
  const through = (...path: LinkState[]): number => {
    for (const [index, to] of path.entries()) history.enter(to, index, "so");
    return history.reconnects;
  };
  expect(through("connecting", "connected", "idle", "connecting", "connected")).toBe(0);
  expect(through("reconnecting", "connected")).toBe(1);
  expect(through("error", "connected")).toBe(2);
  expect(through("draining", "connected")).toBe(2);
});

test("a reconnection that took long, or other credentials, is one as well", () => {
  const history = new LinkHistory("connected", 0);
  for (const to of ["reconnecting", "error", "needs_auth", "error"] as const)
    history.enter(to, 1, "so");
  expect(history.reconnects).toBe(0);
  history.enter("connected", 2, "so");
  expect(history.reconnects).toBe(1);
});

test("a link that never was open was not lost", () => {
  const history = new LinkHistory("idle", 0);
  for (const to of ["connecting", "error", "connected", "idle", "connecting", "error"] as const)
    history.enter(to, 1, "so");
  history.enter("connected", 2, "so");
  expect(history.reconnects).toBe(0);
});

test("a link that was just made has no uptime yet, and a reason is kept short", () => {
  const history = new LinkHistory("connected", 5);
  expect(history.uptime(5)).toBeUndefined();
  expect(history.uptime(6)).toBe(1);
  const step = history.enter("error", 7, "x".repeat(1_000), "SERVER_CLOSED");
  expect(step).toEqual({
    from: "connected",
    to: "error",
    at: 7,
    reason: "x".repeat(300),
    code: "SERVER_CLOSED",
  });
});
