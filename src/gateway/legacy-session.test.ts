import { describe, expect, test } from "vitest";
import { Metrics, silentLog } from "../foundation/index.ts";
import {
  isJsonObject,
  parseJson,
  revisionOf,
  type JsonObject,
  type JsonRpcResponse,
} from "../protocol/index.ts";
import type { Lane } from "../upstream/index.ts";
import { CallMeters } from "./call-meters.ts";
import { LegacySession } from "./legacy-session.ts";
import { GatheringReply } from "./reply.ts";
import { principalNamed } from "./running-gateway.ts";
import { View } from "./view.ts";

const view = new View(undefined, [], {
  log: silentLog,
  meters: new CallMeters(new Metrics()),
  pageSize: 10,
  epoch: () => 0,
});

/** A lane that only remembers what it was given. */
function fakeLane() {
  const answers: JsonRpcResponse[] = [];
  const notes: unknown[] = [];
  const lane: Lane = {
    era: "legacy",
    revision: "2025-11-25",
    capabilities: {},
    serverInfo: {},
    shared: false,
    closed: false,
    send: () => ({ cancel() {}, resume() {} }),
    notify: (message) => notes.push(message),
    respond: (response) => answers.push(response),
    close: () => Promise.resolve(),
  };
  return { lane, answers, notes };
}

/** A session whose one stream is `told`. */
function open(revisionId = "2025-11-25", capabilities: JsonObject = { elicitation: {} }) {
  const revision = revisionOf(revisionId);
  if (revision === undefined) throw new Error("no revision");
  const told: JsonObject[] = [];
  const session = new LegacySession({
    id: "s",
    principal: principalNamed("p"),
    view,
    revision,
    clientInfo: { name: "c" },
    capabilities,
    replayBytesMax: 1_000,
    now: 0,
    listen: () => {
      throw new Error("there are no servers");
    },
  });
  session.attachSingle(
    (json) => {
      const message = parseJson(json);
      if (isJsonObject(message)) told.push(message);
    },
    () => {},
  );
  return { session, told };
}

const ask = (id: string | number, token?: unknown) =>
  ({
    jsonrpc: "2.0",
    id,
    method: "elicitation/create",
    params: { message: "?", ...(token === undefined ? {} : { _meta: { progressToken: token } }) },
  }) as const;

describe("a question of a server", () => {
  test("is answered under the server's own id, once", () => {
    const { session, told } = open();
    const { lane, answers } = fakeLane();
    session.ask(lane, ask("own"), undefined);
    const id = String(told[0]?.["id"]);
    expect(id).not.toBe("own");
    session.answered({ jsonrpc: "2.0", id: "unknown", result: {} });
    session.answered({ jsonrpc: "2.0", id, result: { action: "accept" } });
    session.answered({ jsonrpc: "2.0", id, result: { action: "decline" } });
    expect(answers).toEqual([{ jsonrpc: "2.0", id: "own", result: { action: "accept" } }]);
  });

  test("is kept apart from another server's with the same id and progress token", () => {
    const { session, told } = open();
    const [one, two] = [fakeLane(), fakeLane()];
    session.ask(one.lane, ask(1, "t"), undefined);
    session.ask(two.lane, ask(1, "t"), undefined);
    const [, second] = told;
    const progressToken = String(second?.["id"]);
    expect(second).toMatchObject({ params: { _meta: { progressToken } } });
    const progress = { jsonrpc: "2.0", method: "notifications/progress" } as const;
    session.progressed({ ...progress, params: { progressToken, progress: 1 } });
    session.progressed({ ...progress, params: { progressToken: "t", progress: 2 } });
    session.progressed(progress);
    expect([one.notes, two.notes]).toEqual([
      [],
      [{ ...progress, params: { progressToken: "t", progress: 1 } }],
    ]);
  });

  test("is withdrawn by its own server only, under the id the client knows", () => {
    const { session, told } = open();
    const [one, two] = [fakeLane(), fakeLane()];
    session.ask(one.lane, ask(1), undefined);
    const notice = {
      jsonrpc: "2.0",
      method: "notifications/cancelled",
      params: { requestId: 1, reason: "r" },
    } as const;
    expect(session.withdraw(two.lane, notice)).toBeUndefined();
    expect(session.withdraw(undefined, notice)).toBeUndefined();
    const id = told[0]?.["id"];
    expect(session.withdraw(one.lane, notice)).toEqual({
      ...notice,
      params: { requestId: id, reason: "r" },
    });
    expect(session.withdraw(one.lane, notice)).toBeUndefined();
    session.answered({ jsonrpc: "2.0", id: String(id), result: {} });
    expect(one.answers).toEqual([]);
  });

  test("goes to the session's stream where the call's answer cannot carry it", () => {
    const { session, told } = open();
    const full = new GatheringReply(
      () => {},
      () => {},
      () => {},
    );
    full.answer("{}", 200);
    session.ask(fakeLane().lane, ask(1), full);
    expect(told).toHaveLength(1);
  });

  test("that the client's revision does not have is refused", () => {
    const { session, told } = open("2024-11-05");
    const { lane, answers } = fakeLane();
    session.ask(lane, ask(1), undefined);
    expect(told).toEqual([]);
    expect(answers).toMatchObject([{ id: 1, error: { code: -32601 } }]);
  });

  test("that the client did not offer to answer is refused, and its roots are never asked for", () => {
    const cases: [JsonObject, string, boolean][] = [
      [{ roots: {}, elicitation: {} }, "roots/list", false],
      [{ roots: {}, elicitation: {} }, "sampling/createMessage", false],
      [{ roots: {}, elicitation: {} }, "elicitation/create", true],
      [{ sampling: {} }, "elicitation/create", false],
      [{ sampling: {} }, "sampling/createMessage", true],
    ];
    for (const [capabilities, method, asked] of cases) {
      const { session, told } = open("2025-11-25", capabilities);
      const { lane, answers } = fakeLane();
      session.ask(lane, { jsonrpc: "2.0", id: 1, method }, undefined);
      const refusals = answers.map(({ error }) => error?.code);
      expect([method, told.length, refusals]).toEqual([method, +asked, asked ? [] : [-32601]]);
    }
  });

  test("is one of a bounded number", () => {
    const { session, told } = open();
    const { lane, answers } = fakeLane();
    for (let id = 0; id < 1_001; id++) session.ask(lane, ask(id), undefined);
    expect([told.length, answers.length]).toEqual([1_000, 1]);
  });
});

test("log messages reach the client from the level it set", () => {
  const { session } = open();
  expect(["debug", "error", undefined].map((level) => session.wantsLog(level))).toEqual([
    true,
    true,
    true,
  ]);
  session.logLevel = "warning";
  const wanted = ["debug", "notice", "warning", "error", "emergency"].map((level) =>
    session.wantsLog(level),
  );
  expect(wanted).toEqual([false, false, true, true, true]);
});

test("what is watched is bounded, and forgotten when it is no longer wanted", () => {
  const { session } = open();
  for (let count = 0; count < 1_100; count++) session.watch(`file:///${count}`, `f${count}`);
  expect([...session.watched()]).toHaveLength(1_000);
  session.unwatch("file:///0");
  expect([session.watchedAs("file:///0"), session.watchedAs("file:///1")]).toEqual([
    undefined,
    "f1",
  ]);
});

test("servers are offered what the client can be asked for, never its roots", () => {
  const { session } = open("2025-11-25", { roots: {}, sampling: { tools: {} }, elicitation: "x" });
  expect(session.capabilities).toEqual({ sampling: { tools: {} } });
  expect(session.envelope).toEqual({ clientInfo: { name: "c" }, capabilities: {} });
});

test("nothing is told after the end", () => {
  const { session, told } = open();
  session.end();
  session.push({ jsonrpc: "2.0", method: "notifications/message" });
  expect([told, session.ended]).toEqual([[], true]);
});
