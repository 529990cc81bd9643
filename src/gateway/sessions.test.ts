import { describe, expect, test } from "vitest";
import { Metrics, manualClock, silentLog } from "../foundation/index.ts";
import { revisionOf } from "../protocol/index.ts";
import { CallMeters } from "./call-meters.ts";
import { LegacySession } from "./legacy-session.ts";
import { limitOptions } from "./options.ts";
import { Sessions } from "./sessions.ts";
import { principalNamed } from "./running-gateway.ts";
import { View } from "./view.ts";

const view = new View(undefined, [], {
  log: silentLog,
  meters: new CallMeters(new Metrics()),
  pageSize: 10,
  epoch: () => 0,
});

function setUp(limits: object = {}) {
  const clock = manualClock();
  const ended: string[] = [];
  const sessions = new Sessions({
    clock,
    limits: limitOptions.parse(limits),
    ended: (session) => ended.push(session.id),
  });
  const revision = revisionOf("2025-11-25");
  const add = (id: string, owner = "ann"): LegacySession => {
    if (revision === undefined) throw new Error("no revision");
    const session = new LegacySession({
      id,
      principal: principalNamed(owner),
      view,
      revision,
      clientInfo: {},
      capabilities: {},
      replayBytesMax: 0,
      now: clock.monotonicMs(),
      listen: () => {
        throw new Error("there are no servers");
      },
    });
    sessions.add(session);
    return session;
  };
  return { clock, sessions, ended, add };
}

describe("a session", () => {
  test("is found by its own principal only", () => {
    const { sessions, add } = setUp();
    const session = add("s");
    expect(sessions.find("s", principalNamed("ann"))).toBe(session);
    expect(sessions.find("s", principalNamed("bob"))).toBeUndefined();
    expect(sessions.find("t", principalNamed("ann"))).toBeUndefined();
  });

  test("ends when it is idle for too long, and is told of once", () => {
    const { sessions, clock, ended, add } = setUp({ session_idle: 1_000 });
    const used = add("used");
    add("idle");
    clock.advance(600);
    sessions.find("used", principalNamed("ann"));
    clock.advance(600);
    sessions.sweep();
    expect([ended, sessions.count]).toEqual([["idle"], 1]);
    sessions.end(used);
    sessions.end(used);
    expect(ended).toEqual(["idle", "used"]);
  });

  test("is not idle while a call is in flight or its stream is read", () => {
    const { sessions, clock, ended, add } = setUp({ session_idle: 1_000 });
    const reading = add("reading");
    reading.attachSingle(
      () => {},
      () => {},
    );
    clock.advance(5_000);
    sessions.sweep();
    expect(ended).toEqual([]);
  });

  test("is not kept alive by a stranger who knows its id", () => {
    const { sessions, clock, ended, add } = setUp({ session_idle: 1_000 });
    add("s");
    clock.advance(900);
    sessions.find("s", principalNamed("bob"));
    clock.advance(200);
    sessions.sweep();
    expect(ended).toEqual(["s"]);
  });
});

test("ids cannot be guessed", () => {
  const { sessions } = setUp();
  const ids = new Set(Array.from({ length: 100 }, () => sessions.newId()));
  expect(ids.size).toBe(100);
  for (const id of ids) expect(id).toMatch(/^[\w-]{32}$/);
});

test("whoever has most sessions makes room for another, never someone else", () => {
  const { sessions, ended, clock, add } = setUp({ sessions_max: 3 });
  add("ann 1");
  add("bob 1", "bob");
  clock.advance(1);
  add("ann 2");
  add("eve 1", "eve");
  expect([ended, sessions.count]).toEqual([["ann 1"], 3]);
});

test("whoever has most gives up even a session with a stream to someone who has fewer", () => {
  const { sessions, ended, clock, add } = setUp({ sessions_max: 3 });
  const attach = (session: LegacySession): void =>
    session.attachSingle(
      () => {},
      () => {},
    );
  for (const id of ["ann 1", "ann 2", "ann 3"]) {
    attach(add(id));
    clock.advance(1);
  }
  attach(add("bob 1", "bob"));
  expect([ended, sessions.count]).toEqual([["ann 1"], 3]);
  expect(() => add("bob 2", "bob")).toThrow("3 sessions");
  expect(() => add("ann 4")).toThrow("3 sessions");
});

test("there is no room where every session is in use", () => {
  const { sessions, add, ended } = setUp({ sessions_max: 1 });
  add("a").attachSingle(
    () => {},
    () => {},
  );
  expect(() => add("b")).toThrow("1 sessions");
  expect([ended, sessions.count]).toEqual([[], 1]);
});

test("closing ends them all, and closes the streams they had", () => {
  const { sessions, add, ended } = setUp();
  let closed = 0;
  add("a").attachSingle(
    () => {},
    () => closed++,
  );
  add("b");
  sessions.close();
  expect([ended, closed, sessions.count]).toEqual([["a", "b"], 1, 0]);
});
