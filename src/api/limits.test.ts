import { expect, test } from "vitest";
import { CallerLimits, quotaOptions, rateLimitOptions } from "../access/index.ts";
import { SignalboxError, manualClock, silentLog } from "../foundation/index.ts";
import { startApi, type Fixture } from "../../test/support/api-over-http.ts";
import type { LimitsPort } from "./ports.ts";

const clock = manualClock(Date.UTC(2026, 10, 20, 8));
const DAY = { period: "day" as const, startsAt: Date.UTC(2026, 10, 20) };

async function limited(
  more: Partial<LimitsPort> = {},
): Promise<Fixture & { limits: CallerLimits }> {
  const limits = new CallerLimits(
    {
      rate: rateLimitOptions.parse({ max: 10, servers: { search: { max: 3, per: "all" } } }),
      quota: quotaOptions.parse({ day: 100 }),
    },
    { clock, log: silentLog },
  );
  const port: LimitsPort = {
    view: (caller, address) => limits.view(caller, address),
    counting: () => ({ store: "memory", up: true, gateways: 1, lease: 0.2 }),
    keyLimits: (id) => limits.keyLimits(id),
    setKeyLimits: async (id, own) => {
      limits.setKeyLimits(new Map([[id, own]]));
      await Promise.resolve();
    },
    usage: async (_, subjects) =>
      await Promise.resolve([{ ...DAY, subject: subjects?.[0] ?? "principal:everyone", used: 40 }]),
    ...more,
  };
  return { ...(await startApi({ limits: port, clock })), limits };
}

test("a caller sees its limits, what is left of them and when they reset; asking costs nothing", async () => {
  const { ask, limits } = await limited();
  for (let n = 0; n < 4; n++) limits.request({ id: "caller", role: "caller", keyId: "caller" }, "");
  const { status, json } = await ask("caller", "GET", "/api/limits");
  expect(status).toBe(200);
  expect(json).toMatchObject({
    caller: { id: "caller", role: "caller" },
    rate: { max: 10, windowMs: 60_000, remaining: 6, from: "configuration" },
    servers: [{ server: "search", per: "all", max: 3, remaining: 3 }],
    quotas: [
      {
        subject: "principal:caller",
        period: "day",
        quota: 100,
        used: 40,
        remaining: 60,
        resetsAt: "2026-11-21T00:00:00.000Z",
      },
    ],
    counting: { store: "memory", gateways: 1 },
  });
  expect(Date.parse(json.rate.resetsAt) - clock.now()).toBe(66_000);
  expect((await ask("caller", "GET", "/api/limits")).json.rate.remaining).toBe(6);
});

test("an administrator gives a key limits of its own, sees them, and takes them away", async () => {
  const { ask } = await limited();
  const own = { rate: { max: 50, windowMs: 1_000 }, quota: { day: 7 } };
  const set = await ask("admin", "PUT", "/api/keys/caller/limits", own);
  expect([set.status, set.json]).toEqual([200, { key: "caller", limits: own }]);
  const { json } = await ask("admin", "GET", "/api/limits?key=caller");
  expect(json).toMatchObject({ own, rate: { max: 50, from: "key" }, quotas: [{ quota: 7 }] });
  await ask("admin", "PUT", "/api/keys/caller/limits", { rate: { max: 0 }, quota: { day: 0 } });
  const lifted = await ask("caller", "GET", "/api/limits");
  expect(lifted.json).not.toHaveProperty("rate");
  expect(lifted.json.quotas).toEqual([]);
});

test("what makes no sense is refused: other keys, unknown keys, unknown limits", async () => {
  const { ask } = await limited();
  expect((await ask("caller", "GET", "/api/limits?key=admin")).json.code).toBe("FORBIDDEN");
  expect((await ask("operator", "PUT", "/api/keys/caller/limits", {})).json.code).toBe("FORBIDDEN");
  expect((await ask("admin", "GET", "/api/limits?key=nobody")).json.code).toBe("NOT_FOUND");
  expect((await ask("admin", "PUT", "/api/keys/nobody/limits", {})).json.code).toBe("NOT_FOUND");
  for (const body of [{ rate: { max: -1 } }, { rate: { max: 1, windowMs: 1 } }, { pace: 1 }]) {
    const answer = await ask("admin", "PUT", "/api/keys/caller/limits", body);
    expect([answer.status, answer.json.code]).toEqual([400, "BODY_INVALID"]);
  }
});

test("callers see their own usage, operators everyone's", async () => {
  const { ask } = await limited();
  const own = await ask("caller", "GET", "/api/usage/quotas");
  expect(own.json).toEqual({
    usage: [
      {
        subject: "principal:caller",
        period: "day",
        used: 40,
        startsAt: "2026-11-20T00:00:00.000Z",
        resetsAt: "2026-11-21T00:00:00.000Z",
      },
    ],
  });
  const all = await ask("operator", "GET", "/api/usage/quotas");
  expect(all.json.usage[0].subject).toBe("principal:everyone");
});

test("without a database the limits are still shown, without what is used", async () => {
  const usage = (): never => {
    throw new SignalboxError("STORE_UNAVAILABLE", "The database cannot be reached.");
  };
  const { ask } = await limited({ usage: async () => await Promise.resolve().then(usage) });
  const { json } = await ask("caller", "GET", "/api/limits");
  expect(json.quotas[0]).toMatchObject({ quota: 100 });
  expect(json.quotas[0]).not.toHaveProperty("remaining");
  expect((await ask("caller", "GET", "/api/usage/quotas")).status).toBe(503);
});
