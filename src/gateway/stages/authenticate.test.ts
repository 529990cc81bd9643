import type { IncomingHttpHeaders } from "node:http";
import { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import {
  KeyRing,
  LockOut,
  RefusalReports,
  authOptions,
  hashKey,
  networkBypass,
  type AuthOutcome,
} from "../../access/index.ts";
import { Metrics, manualClock, type AuditEvent } from "../../foundation/index.ts";
import { keyRecord } from "../running-gateway.ts";
import { Authenticate, type AuthenticateOptions } from "./authenticate.ts";

const clock = manualClock();
const records = [
  keyRecord("good", hashKey("good")),
  keyRecord("fresh", hashKey("fresh")),
  keyRecord("old", hashKey("old"), { expiresAt: clock.now() }),
  keyRecord("gone", hashKey("gone"), { revokedAt: 1 }),
];

interface Asker {
  metrics: Metrics;
  events: AuditEvent[];
  ask: (headers: IncomingHttpHeaders, address?: string) => AuthOutcome;
}

function asker(options: Partial<AuthenticateOptions> = {}): Asker {
  const metrics = new Metrics();
  const events: AuditEvent[] = [];
  const keys = new KeyRing(records, clock);
  const reports = new RefusalReports((event) => void events.push(event), clock);
  const authenticate = new Authenticate(metrics, { required: true, reports, ...options });
  return {
    metrics,
    events,
    ask: (headers, address = "192.0.2.1") => {
      const socket = new Socket();
      Object.defineProperty(socket, "remoteAddress", { value: address });
      const outcome = authenticate.run(keys, { headers, socket }, "/mcp");
      if (outcome instanceof Promise) throw new Error("nothing here has to be waited for");
      return outcome;
    },
  };
}

describe("a credential", () => {
  test("that is right names its principal", () => {
    expect(asker().ask({ "x-api-key": "good" })).toMatchObject({
      ok: true,
      principal: { id: "id-good", keyId: "id-good" },
    });
  });

  test("that is missing is an anonymous caller only where none is required", () => {
    const open = asker({ required: false }).ask({});
    expect(open).toMatchObject({ ok: true, principal: { id: "anonymous", role: "caller" } });
    expect(asker().ask({})).toMatchObject({ ok: false, code: "KEY_MISSING" });
  });

  test("that is wrong fails also where none is required, and is counted by its reason", async () => {
    const { ask, metrics } = asker({ required: false });
    for (const [key, code] of [
      ["bad", "KEY_INVALID"],
      ["old", "KEY_EXPIRED"],
      ["gone", "KEY_REVOKED"],
    ]) {
      expect(ask({ authorization: `Bearer ${key}` })).toMatchObject({ ok: false, code });
    }
    const text = await metrics.render();
    for (const reason of ["key_invalid", "key_expired", "key_revoked"]) {
      expect(text).toContain(`mcp_auth_failures_total{method="key",reason="${reason}"} 1`);
    }
    expect(text).not.toContain('reason="key_missing"');
  });
});

describe("a request without a credential from a trusted network", () => {
  const settings = authOptions.parse({ loopback_bypass: true, trusted_networks: ["10.0.0.0/8"] });
  const trusting = (): Asker => asker({ bypass: networkBypass(settings) });

  test("is let in with the small role of the network", () => {
    const { ask } = trusting();
    for (const address of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "10.255.0.1"]) {
      expect([address, ask({}, address)]).toMatchObject([
        address,
        { ok: true, principal: { id: "network", role: "caller", kind: "network" } },
      ]);
    }
    for (const address of ["11.0.0.1", "::2", "192.168.0.1", "::ffff:11.0.0.1", ""]) {
      expect([address, ask({}, address)]).toMatchObject([address, { code: "KEY_MISSING" }]);
    }
  });

  test("is refused with any header of a proxy, and told to the audit trail", () => {
    const { ask, events } = trusting();
    for (const name of [
      "x-forwarded-for",
      "x-forwarded-host",
      "x-forwarded-proto",
      "forwarded",
      "x-real-ip",
      "via",
      "cf-connecting-ip",
      "true-client-ip",
    ]) {
      expect([name, ask({ [name]: "127.0.0.1" }, "127.0.0.1")]).toMatchObject([
        name,
        { ok: false, code: "KEY_MISSING", reason: "forwarded" },
      ]);
    }
    expect(events).toMatchObject([
      {
        action: "auth.refuse",
        outcome: "denied",
        code: "KEY_MISSING",
        address: "127.0.0.1",
        details: { method: "network", reason: "forwarded" },
      },
    ]);
  });

  test("is refused when a page of a browser sent it", () => {
    const { ask } = trusting();
    for (const headers of [{ origin: "http://127.0.0.1" }, { "sec-fetch-site": "cross-site" }]) {
      expect(ask(headers, "127.0.0.1")).toMatchObject({ ok: false, reason: "browser" });
    }
  });

  test("does not cover one with a wrong credential", () => {
    expect(trusting().ask({ "x-api-key": "bad" }, "127.0.0.1")).toMatchObject({
      ok: false,
      code: "KEY_INVALID",
    });
  });

  test("is nowhere let in as it stands, nor by a forwarded address from outside", () => {
    expect(networkBypass(authOptions.parse({}))).toBeUndefined();
    expect(trusting().ask({ "x-forwarded-for": "127.0.0.1" }, "192.0.2.9")).toMatchObject({
      code: "KEY_MISSING",
    });
  });
});

describe("wrong credentials", () => {
  const settings = authOptions.parse({
    lock_out: { failures: 3, address_failures: 5, delay: "1s", delay_max: "10s" },
  }).lock_out;
  const guarded = (): Asker => asker({ lockOut: new LockOut(settings, clock) });
  const codeOf = (outcome: AuthOutcome): string => (outcome.ok ? "ok" : outcome.code);

  test("lock an address after many different ones, with growing waits, and no other address", () => {
    const { ask } = guarded();
    for (let guess = 0; guess < 5; guess++) {
      expect(codeOf(ask({ "x-api-key": `guess-${guess}` }))).toBe("KEY_INVALID");
    }
    expect(ask({ "x-api-key": "guess-5" })).toMatchObject({
      code: "AUTH_LOCKED",
      headers: { "retry-after": "1" },
    });
    expect(codeOf(ask({ "x-api-key": "fresh" }))).toBe("AUTH_LOCKED");
    expect(codeOf(ask({ "x-api-key": "fresh" }, "192.0.2.2"))).toBe("ok");
    clock.advance(1_001);
    expect(codeOf(ask({ "x-api-key": "guess-6" }))).toBe("KEY_INVALID");
    expect(ask({ "x-api-key": "guess-7" })).toMatchObject({ headers: { "retry-after": "2" } });
  });

  test("do not lock out a key that was right before, from the same address", () => {
    const { ask } = guarded();
    expect(codeOf(ask({ "x-api-key": "good" }))).toBe("ok");
    for (let guess = 0; guess < 9; guess++) ask({ "x-api-key": `guess-${guess}` });
    expect(codeOf(ask({ "x-api-key": "guess-9" }))).toBe("AUTH_LOCKED");
    expect(codeOf(ask({ "x-api-key": "good" }))).toBe("ok");
  });

  test("of one client with an old key lock this key there, and nobody beside it", () => {
    const { ask } = guarded();
    for (let time = 0; time < 3; time++) ask({ authorization: "Bearer stale" });
    expect(codeOf(ask({ authorization: "Bearer stale" }))).toBe("AUTH_LOCKED");
    for (let time = 0; time < 50; time++) ask({ authorization: "Bearer stale" });
    expect(codeOf(ask({ "x-api-key": "fresh" }))).toBe("ok");
  });

  test("that begin like somebody's key count together, and leave the owner alone elsewhere", () => {
    const { ask } = guarded();
    const guess = (tail: string): string => `sbx_abcdefgh${tail.repeat(35)}`;
    for (const tail of ["a", "b", "c"]) ask({ "x-api-key": guess(tail) });
    expect(codeOf(ask({ "x-api-key": guess("d") }))).toBe("AUTH_LOCKED");
    expect(codeOf(ask({ "x-api-key": guess("d") }, "192.0.2.3"))).toBe("KEY_INVALID");
  });

  test("from one IPv6 network count as one address", () => {
    const { ask } = guarded();
    for (let host = 1; host < 6; host++) ask({ "x-api-key": `g${host}` }, `2001:db8::${host}`);
    expect(codeOf(ask({ "x-api-key": "g6" }, "2001:db8::ff:1"))).toBe("AUTH_LOCKED");
    expect(codeOf(ask({ "x-api-key": "g6" }, "2001:db8:0:1::1"))).toBe("KEY_INVALID");
  });

  test("are forgotten after a while, and a missing credential never counts", () => {
    const { ask } = guarded();
    for (let time = 0; time < 20; time++) ask({});
    expect(codeOf(ask({ "x-api-key": "bad" }))).toBe("KEY_INVALID");
    for (let time = 0; time < 2; time++) ask({ "x-api-key": "bad" });
    expect(codeOf(ask({ "x-api-key": "bad" }))).toBe("AUTH_LOCKED");
    clock.advance(3_600_000);
    expect(codeOf(ask({ "x-api-key": "bad" }))).toBe("KEY_INVALID");
    expect(codeOf(ask({ "x-api-key": "bad" }))).toBe("KEY_INVALID");
  });
});

test("the audit trail hears of equal refusals once a minute, with how many there were", () => {
  const { ask, events } = asker();
  for (let time = 0; time < 500; time++) ask({ "x-api-key": "bad" });
  expect(events).toHaveLength(1);
  clock.advance(60_000);
  ask({ "x-api-key": "bad" });
  expect(events[1]).toMatchObject({ details: { equalSince: 499 } });
  for (let host = 0; host < 5_000; host++) ask({}, `198.51.${host >> 8}.${host & 255}`);
  expect(events.length).toBeLessThan(200);
  expect(JSON.stringify(events)).not.toContain("bad");
});
