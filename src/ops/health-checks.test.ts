import { expect, test } from "vitest";
import { manualClock, silentLog } from "../foundation/index.ts";
import { HealthChecks } from "./health-checks.ts";
import { databaseCheck, diskSpace, diskSpaceCheck } from "./standard-checks.ts";

test("results are what the last run found, and asking runs nothing", async () => {
  const checks = makeChecks();
  let runs = 0;
  checks.add("database", async () => {
    runs += 1;
    return { status: "ok", runs };
  });
  expect(checks.results()).toEqual({
    database: { status: "critical", message: "not checked yet" },
  });
  await checks.start();
  checks.results();
  expect(checks.overall()).toBe("ok");
  expect(checks.results()["database"]).toEqual({
    status: "ok",
    runs: 1,
    checkedAt: "2026-01-01T00:00:00.000Z",
  });
  await checks.refresh();
  expect(checks.results()["database"]).toMatchObject({ runs: 2 });
  checks.stop();
});

test("a check runs again by itself", async () => {
  const checks = makeChecks();
  let runs = 0;
  checks.add("counter", async () => ({ status: "ok", runs: (runs += 1) }), { everyMs: 5 });
  await checks.start();
  await expect.poll(() => runs).toBeGreaterThan(2);
  checks.stop();
});

test("the worst check decides, a failing one is critical and says why", async () => {
  const checks = makeChecks();
  checks.add("good", async () => ({ status: "ok" }));
  checks.add("so-so", async () => ({ status: "warning" }));
  await checks.start();
  expect(checks.overall()).toBe("warning");
  checks.add("bad", async () => {
    throw new Error("the disk is on fire");
  });
  await checks.refresh();
  expect(checks.overall()).toBe("critical");
  expect(checks.results()["bad"]).toMatchObject({ message: "the disk is on fire" });
  expect(checks.statuses()).toEqual({ good: "ok", "so-so": "warning", bad: "critical" });
  checks.remove("bad");
  expect(checks.overall()).toBe("warning");
  checks.stop();
});

test("a hanging check is critical, holds nobody up and is not run again on top of itself", async () => {
  const checks = makeChecks();
  const release = Promise.withResolvers<{ status: "ok" }>();
  let runs = 0;
  checks.add(
    "hanging",
    () => {
      runs += 1;
      return release.promise;
    },
    { timeoutMs: 20 },
  );
  await checks.start();
  expect(checks.results()["hanging"]).toMatchObject({
    status: "critical",
    message: "no answer within 20 ms",
  });
  await checks.refresh();
  expect(runs).toBe(1);
  release.resolve({ status: "ok" });
  await expect.poll(async () => checks.refresh().then(() => checks.overall())).toBe("ok");
  checks.stop();
});

test("disk space is critical above 90 % and a warning above 80 %", async () => {
  const judge = (used: number): unknown =>
    diskSpace({ blocks: 1100, bfree: 1100 - used, bavail: 1000 - used });
  expect(judge(800)).toEqual({ status: "ok", usage: "80%" });
  expect(judge(801)).toEqual({ status: "warning", usage: "81%" });
  expect(judge(900)).toEqual({ status: "warning", usage: "90%" });
  expect(judge(901)).toEqual({ status: "critical", usage: "91%" });
  expect(diskSpace({ blocks: 0, bfree: 0, bavail: 0 })).toEqual({ status: "ok", usage: "0%" });
  const here = await diskSpaceCheck(import.meta.dirname)(AbortSignal.timeout(1000));
  expect(here).toMatchObject({ usage: expect.stringMatching(/^\d{1,3}%$/u) });
});

test("the database is ok when it answers", async () => {
  const { signal } = new AbortController();
  expect(await databaseCheck(async () => undefined)(signal)).toEqual({ status: "ok" });
  await expect(databaseCheck(() => Promise.reject(new Error("away")))(signal)).rejects.toThrow(
    "away",
  );
});

function makeChecks(): HealthChecks {
  return new HealthChecks({ log: silentLog, clock: manualClock() });
}
