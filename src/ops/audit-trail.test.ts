import { expect, test } from "vitest";
import {
  createLog,
  GATEWAY_ACTOR,
  manualClock,
  Metrics,
  SignalboxError,
  silentLog,
  type AuditEvent,
} from "../foundation/index.ts";
import { AuditTrail, type AuditEntry } from "./audit-trail.ts";

interface Setup {
  readonly trail: AuditTrail;
  readonly written: AuditEntry[];
  readonly metrics: Metrics;
}

function setup(append?: (entries: readonly AuditEntry[]) => Promise<void>): Setup {
  const written: AuditEntry[] = [];
  const metrics = new Metrics();
  const trail = new AuditTrail({
    append: append ?? (async (entries) => void written.push(...(await Promise.resolve(entries)))),
    clock: manualClock(1_800_000_000_000.7),
    log: silentLog,
    metrics,
  });
  return { trail, written, metrics };
}

const event = (more: Partial<AuditEvent> = {}): AuditEvent => ({
  action: "server.update",
  actor: { id: "key_1", name: "Ada", kind: "key" },
  outcome: "ok",
  ...more,
});

test("an event comes out as an entry, what it leaves out as nothing", async () => {
  const { trail, written } = setup();
  const full = {
    target: "server:files",
    project: "default",
    code: "CONFLICT",
    before: { a: 1 },
    after: [2],
    details: { why: "so" },
    address: "127.0.0.1",
    requestId: "req_1",
  };
  trail.add(event(full));
  trail.add({ action: "gateway.start", actor: GATEWAY_ACTOR, outcome: "ok" });
  expect(trail.waiting).toBe(2);
  await trail.stop();
  const [one, two] = written;
  expect(one).toEqual({
    id: expect.stringMatching(/^aud_/),
    at: 1_800_000_000_000,
    action: "server.update",
    actorId: "key_1",
    actorName: "Ada",
    actorKind: "key",
    outcome: "ok",
    ...full,
    before: '{"a":1}',
    after: "[2]",
    details: '{"why":"so"}',
  });
  expect(two).toMatchObject({ target: null, project: null, before: null, after: null, code: null });
  expect(one?.id).not.toBe(two?.id);
});

test("what looks like a secret is masked, what is too long is cut, and what PostgreSQL cannot hold is replaced", async () => {
  const { trail, written } = setup();
  trail.add(event({ after: { password: "hunter2hunter2" }, target: `server:a\0\ud800` }));
  trail.add(event({ details: { long: Array.from({ length: 5 }, () => "x".repeat(30_000)) } }));
  trail.add(event({ target: "x".repeat(5_000) }));
  await trail.stop();
  expect(written[0]?.after).not.toContain("hunter2");
  expect(written[0]?.target).toBe("server:a\uFFFD\uFFFD");
  const { cut } = JSON.parse(written[1]?.details ?? "");
  expect(cut).toHaveLength(64 * 1024);
  expect(written[2]?.target).toHaveLength(500);
});

test("nothing that an event holds makes it throw", async () => {
  const { trail, written } = setup();
  const cycle: Record<string, unknown> = {};
  cycle["self"] = cycle;
  for (const after of [cycle, () => 1, Symbol("x"), 1n, new Map(), Number.NaN])
    trail.add(event({ after }));
  const hostile = {
    get a(): never {
      throw new Error("not to be read");
    },
  };
  trail.add(event({ after: hostile }));
  await trail.stop();
  expect(written.length).toBeGreaterThanOrEqual(6);
  for (const { after } of written) expect(() => JSON.parse(after ?? "null")).not.toThrow();
});

test("what the database cannot take now is written later", async () => {
  const taken: AuditEntry[] = [];
  let away = true;
  const { trail } = setup(async (entries) => {
    await Promise.resolve();
    if (away) throw new SignalboxError("STORE_UNAVAILABLE", "away");
    taken.push(...entries);
  });
  trail.add(event());
  await expect.poll(() => trail.waiting).toBe(1);
  away = false;
  trail.add(event({ action: "server.delete" }));
  await trail.stop();
  expect(taken.map(({ action }) => action)).toEqual(["server.update", "server.delete"]);
});

test("what is lost is counted", async () => {
  const lines: string[] = [];
  const log = createLog({
    level: "info",
    format: "json",
    destination: { write: (line) => void lines.push(line) },
  });
  const metrics = new Metrics();
  const trail = new AuditTrail({
    append: () => Promise.reject(new Error("a row is bad")),
    clock: manualClock(0),
    log,
    metrics,
  });
  trail.add(event());
  await trail.stop();
  trail.add(event());
  expect(lines.join("")).toContain("a row is bad");
  expect(await metrics.render()).toContain('mcp_queue_dropped_total{queue="audit"} 2');
});

test.each([
  ["auth.refuse", "denied", "failed_authentication"],
  ["auth.pass", "ok", undefined],
  ["access.deny", "denied", "unauthorized_access"],
  ["limit.refuse", "denied", "rate_limit_violation"],
  ["quota.refuse", "denied", "rate_limit_violation"],
  ["activity.unusual", "ok", "unusual_activity"],
  ["pin.change", "denied", "tool_definition_change"],
  ["payload.read", "ok", "payload_access"],
  ["server.update", "ok", "configuration_change"],
  ["server.update", "denied", undefined],
  ["key.limit", "ok", "configuration_change"],
  ["config.reload", "ok", "configuration_change"],
  ["server.test", "ok", undefined],
  ["custom.server.update", "ok", undefined],
] as const)("%s that is %s shows the signal %s", async (action, outcome, signal) => {
  const { trail, metrics } = setup();
  trail.add(event({ action, outcome }));
  await trail.stop();
  const text = await metrics.render();
  const signals = text
    .split("\n")
    .filter((line) => /^mcp_security_signals_total\{.*[1-9]$/.test(line));
  expect(signals).toEqual(
    signal === undefined ? [] : [`mcp_security_signals_total{signal="${signal}"} 1`],
  );
});

test("events are counted by action, those of others together", async () => {
  const { trail, metrics } = setup();
  for (const action of ["server.update", "custom.a", "custom.b"]) trail.add(event({ action }));
  await trail.stop();
  const text = await metrics.render();
  expect(text).toContain('mcp_audit_entries_total{action="server.update",outcome="ok"} 1');
  expect(text).toContain('mcp_audit_entries_total{action="custom",outcome="ok"} 2');
});
