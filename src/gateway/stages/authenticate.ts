/** Who calls: the key ring's answer, with failures counted, and the anonymous caller where that is allowed. */
import type { IncomingHttpHeaders } from "node:http";
import { anonymous, type AuthOutcome, type KeyRing } from "../../access/index.ts";
import type { Counter, Metrics } from "../../foundation/index.ts";

export class Authenticate {
  readonly #required: boolean;
  readonly #failures: Counter;

  constructor(metrics: Metrics, required: boolean) {
    this.#required = required;
    this.#failures = metrics.counter(
      "mcp_auth_failures_total",
      "Requests refused because of their credential.",
      ["method", "reason"],
    );
  }

  /** A missing credential is anonymous only where none is required; a wrong one always fails. */
  run(keys: KeyRing, headers: IncomingHttpHeaders): AuthOutcome {
    const outcome = keys.authenticate(headers);
    if (outcome.ok) return outcome;
    if (outcome.code === "KEY_MISSING" && !this.#required) return ANONYMOUS;
    this.#failures.slot("key", outcome.code.toLowerCase()).inc();
    return outcome;
  }
}

const ANONYMOUS: AuthOutcome = { ok: true, principal: anonymous };
