import { expect, test } from "vitest";
import { settingsOf } from "../guard-options.ts";
import { balanceOptions, serverBalanceOptions } from "./balance-options.ts";

test("every setting has a default", () => {
  expect(balanceOptions.parse({})).toEqual({
    strategy: "round_robin",
    failover_enabled: true,
    ejection_failures: 5,
    ejection_failure_share: 0.4,
    ejection_outcomes_min: 20,
    ejection_time: 10_000,
    ejection_time_max: 300_000,
    ejected_share_max: 0.5,
    slow_start: 10_000,
  });
});

test("a server's table has no defaults of its own", () => {
  expect(serverBalanceOptions.parse({})).toEqual({});
  expect(Object.keys(serverBalanceOptions.shape)).toEqual(Object.keys(balanceOptions.shape));
});

test("what a server leaves out is as for all servers", () => {
  const all = balanceOptions.parse({ strategy: "random", slow_start: "3s" });
  const server = serverBalanceOptions.parse({ strategy: "sticky", ejection_time: "1m" });
  expect(settingsOf(all, server)).toEqual({
    ...all,
    strategy: "sticky",
    ejection_time: 60_000,
  });
  expect(settingsOf(all, { strategy: undefined })).toEqual(all);
  expect(settingsOf(all, undefined)).toEqual(all);
});

test.each([
  { strategy: "fastest" },
  { failover: true },
  { ejection_failures: 0 },
  { ejection_failure_share: 0 },
  { ejected_share_max: 1.5 },
  { slow_start: "soon" },
])("refuses %j", (settings) => {
  expect(balanceOptions.safeParse(settings).success).toBe(false);
  expect(serverBalanceOptions.safeParse(settings).success).toBe(false);
});
