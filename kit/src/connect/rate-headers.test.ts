import { expect, test } from "vitest";
import { costReading, rateReadings } from "./rate-headers.ts";
import { retryAfterMs } from "./retry-after.ts";

const now = Date.UTC(2026, 11, 1);
const nowS = now / 1000;

test.each<[string, Record<string, string>, object[]]>([
  [
    "GitHub",
    {
      "x-ratelimit-limit": "5000",
      "x-ratelimit-remaining": "4999",
      "x-ratelimit-reset": String(nowS + 60),
      "x-ratelimit-resource": "core",
    },
    [{ name: "core", limit: 5000, remaining: 4999, resetsAt: now + 60_000 }],
  ],
  [
    "the IETF draft",
    { ratelimit: '"default";r=50;t=30', "ratelimit-policy": '"default";q=100;w=60' },
    [{ name: "default", limit: 100, remaining: 50, resetsAt: now + 30_000, perSecond: 100 / 60 }],
  ],
  [
    "the IETF draft with two policies",
    { ratelimit: '"burst";r=9;t=1, "day";r=800;t=3600', "ratelimit-policy": '"burst";q=10;w=1' },
    [
      { name: "burst", limit: 10, remaining: 9, resetsAt: now + 1_000, perSecond: 10 },
      { name: "day", remaining: 800, resetsAt: now + 3_600_000 },
    ],
  ],
  [
    "an earlier draft",
    { ratelimit: "limit=100, remaining=49, reset=5" },
    [{ limit: 100, remaining: 49, resetsAt: now + 5_000 }],
  ],
  [
    "its header for each number",
    { "ratelimit-limit": "10", "ratelimit-remaining": "3", "ratelimit-reset": "7" },
    [{ limit: 10, remaining: 3, resetsAt: now + 7_000 }],
  ],
  [
    "Railway",
    {
      "x-ratelimit-limit": "1000",
      "x-ratelimit-remaining": "0",
      "x-ratelimit-reset": "2026-12-01T00:01:00.000Z",
    },
    [{ limit: 1000, remaining: 0, resetsAt: now + 60_000 }],
  ],
  [
    "Xero",
    {
      "x-minlimit-remaining": "58",
      "x-daylimit-remaining": "990",
      "x-appminlimit-remaining": "9999",
    },
    [
      { name: "minute", remaining: 58 },
      { name: "day", remaining: 990 },
      { name: "appminute", remaining: 9999 },
    ],
  ],
  ["Amazon", { "x-amzn-ratelimit-limit": "0.0167" }, [{ perSecond: 0.0167 }]],
  ["nobody", { "content-type": "text/plain" }, []],
  ["nonsense", { "x-ratelimit-limit": "many", ratelimit: "?", "x-amzn-ratelimit-limit": "-1" }, []],
])("reads what %s says", (_vendor, headers, readings) => {
  expect(rateReadings(new Headers(headers), now)).toEqual(readings);
});

test("reads what Shopify says of a query's cost", () => {
  const throttleStatus = { maximumAvailable: 2000, currentlyAvailable: 1900, restoreRate: 100 };
  expect(costReading({ cost: { requestedQueryCost: 100, throttleStatus } })).toEqual({
    limit: 2000,
    remaining: 1900,
    perSecond: 100,
  });
  expect(costReading({ cost: {} })).toBeUndefined();
  expect(costReading(undefined)).toBeUndefined();
});

test.each<[string | null, number | undefined]>([
  ["30", 30_000],
  ["0.5", 500],
  ["0", 0],
  ["Tue, 01 Dec 2026 00:00:20 GMT", 20_000],
  ["Mon, 30 Nov 2026 00:00:00 GMT", 0],
  ["999999999999", 86_400_000],
  ["-1", undefined],
  ["soon", undefined],
  ["1 day", undefined],
  ["", undefined],
  [null, undefined],
])("Retry-After %j is %s ms", (value, ms) => {
  expect(retryAfterMs(value, now)).toBe(ms);
});
