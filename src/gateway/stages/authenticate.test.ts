import { describe, expect, test } from "vitest";
import { KeyRing, hashKey } from "../../access/index.ts";
import { Metrics, manualClock } from "../../foundation/index.ts";
import { keyRecord } from "../running-gateway.ts";
import { Authenticate } from "./authenticate.ts";

const clock = manualClock();
const keys = new KeyRing(
  [
    keyRecord("good", hashKey("good")),
    keyRecord("old", hashKey("old"), { expiresAt: clock.now() }),
    keyRecord("gone", hashKey("gone"), { revokedAt: 1 }),
  ],
  clock,
);

describe("a credential", () => {
  test("that is right names its principal", () => {
    const outcome = new Authenticate(new Metrics(), true).run(keys, { "x-api-key": "good" });
    expect(outcome).toMatchObject({ ok: true, principal: { id: "id-good", keyId: "id-good" } });
  });

  test("that is missing is an anonymous caller only where none is required", () => {
    const open = new Authenticate(new Metrics(), false).run(keys, {});
    expect(open).toMatchObject({ ok: true, principal: { id: "anonymous", role: "caller" } });
    const closed = new Authenticate(new Metrics(), true).run(keys, {});
    expect(closed).toMatchObject({ ok: false, code: "KEY_MISSING" });
  });

  test("that is wrong fails also where none is required, and is counted by its reason", async () => {
    const metrics = new Metrics();
    const authenticate = new Authenticate(metrics, false);
    for (const [key, code] of [
      ["bad", "KEY_INVALID"],
      ["old", "KEY_EXPIRED"],
      ["gone", "KEY_REVOKED"],
    ]) {
      const outcome = authenticate.run(keys, { authorization: `Bearer ${key}` });
      expect(outcome).toMatchObject({ ok: false, code });
    }
    const text = await metrics.render();
    for (const reason of ["key_invalid", "key_expired", "key_revoked"]) {
      expect(text).toContain(`mcp_auth_failures_total{method="key",reason="${reason}"} 1`);
    }
    expect(text).not.toContain('reason="key_missing"');
  });
});
