import { expect, onTestFinished, test, vi } from "vitest";
import { createLog, manualClock, Metrics, type AuditEvent } from "../foundation/index.ts";
import { AuditKeeping, type AuditVerdict } from "./audit-keeping.ts";

const whole: AuditVerdict = {
  checked: 2,
  head: { baseSeq: 0, baseHash: "0".repeat(64), seq: 2, hash: "ab".repeat(32) },
  faults: [],
};
const tampered: AuditVerdict = {
  ...whole,
  faults: [{ seq: 1, kind: "edited", sentence: "record 1 was changed" }],
};
const replaced: AuditVerdict = {
  ...whole,
  faults: [{ seq: 2, kind: "replaced", sentence: "another trail" }],
};

interface Setup {
  readonly keeping: AuditKeeping;
  readonly events: AuditEvent[];
  readonly lines: Record<string, unknown>[];
  readonly pruned: number[];
  readonly valid: () => Promise<string | undefined>;
}

function setup(
  options: {
    verify?: (signal: AbortSignal, anchor: string | undefined) => Promise<AuditVerdict>;
    found?: number;
    retentionMs?: number;
  } = {},
): Setup {
  const { verify = () => Promise.resolve(whole), found = 3, retentionMs = 1_000 } = options;
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const events: AuditEvent[] = [];
  const lines: Record<string, unknown>[] = [];
  const pruned: number[] = [];
  const metrics = new Metrics();
  const keeping = new AuditKeeping({
    verify,
    prune: (before) => {
      pruned.push(before);
      return Promise.resolve(found);
    },
    retentionMs,
    audit: (event) => void events.push(event),
    clock: manualClock(61_000),
    log: createLog({
      level: "debug",
      format: "json",
      destination: { write: (line) => void lines.push(JSON.parse(line)) },
    }),
    metrics,
    signal: stop.signal,
  });
  const valid = async (): Promise<string | undefined> =>
    /^mcp_audit_chain_valid (.*)$/m.exec(await metrics.render())?.[1];
  return { keeping, events, lines, pruned, valid };
}

test("the trail is verified soon after the start and each day, and its head's hash is logged", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  let times = 0;
  const verify = (): Promise<AuditVerdict> => Promise.resolve(++times === 1 ? whole : tampered);
  const { keeping, lines, valid } = setup({ verify });
  keeping.start();
  expect(await valid()).toBeUndefined();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(await valid()).toBe("1");
  expect(lines).toMatchObject([{ level: "info", records: 2, head: 2, hash: whole.head.hash }]);
  await vi.advanceTimersByTimeAsync(86_400_000);
  expect(await valid()).toBe("0");
  expect(lines.at(-1)).toMatchObject({ level: "error", found: ["record 1 was changed"] });
});

test("what is older than the retention goes, and that is an event itself", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const { keeping, events, pruned } = setup();
  keeping.start();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(pruned).toEqual([60_000]);
  expect(events).toMatchObject([
    { action: "audit.prune", actor: { id: "gateway" }, details: { records: 3 } },
  ]);
});

test("nothing goes where everything is kept, and nothing is told where nothing went", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const all = setup({ retentionMs: 0 });
  const none = setup({ found: 0 });
  all.keeping.start();
  none.keeping.start();
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(all.pruned).toEqual([]);
  expect(none.pruned.length).toBeGreaterThan(0);
  expect([...all.events, ...none.events]).toEqual([]);
});

test("one verification runs at a time, and no more wait than there is room for", async () => {
  let running = 0;
  let most = 0;
  const released = Promise.withResolvers<void>();
  const verify = async (): Promise<AuditVerdict> => {
    running++;
    most = Math.max(most, running);
    await released.promise;
    running--;
    return whole;
  };
  const { keeping } = setup({ verify });
  const asked = Array.from({ length: 30 }, () => keeping.verify());
  released.resolve();
  const verdicts = await Promise.all(asked);
  expect(most).toBe(1);
  expect(verdicts.filter((one) => one === undefined)).toHaveLength(10);
});

test("a verification that fails is told to who asked, and the next one runs", async () => {
  let times = 0;
  const verify = (): Promise<AuditVerdict> =>
    ++times === 1 ? Promise.reject(new Error("away")) : Promise.resolve(whole);
  const { keeping } = setup({ verify });
  await expect(keeping.verify()).rejects.toThrow("away");
  expect(await keeping.verify()).toBe(whole);
});

test("an anchor that does not fit says nothing of the chain", async () => {
  const { keeping, valid } = setup({ verify: () => Promise.resolve(replaced) });
  expect(await keeping.verify("cd".repeat(32))).toBe(replaced);
  expect(await valid()).toBe("1");
});
