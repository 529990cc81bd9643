// The one place where a password is compared with what is kept, and where guessing is made slow. Locked is a name together
// with the address that guesses at it, or an address that guesses at many names; never a name by itself, so nobody can lock
// another out. A name that nobody has is compared as well, so that the time tells nothing.
import { SignalboxError, type Counter, type Metrics } from "../../foundation/index.ts";
import type { LockOut } from "../lock-out.ts";
import type { RefusalReports } from "../refusal-reports.ts";
import type { PasswordHasher } from "./password-hasher.ts";
import type { PersonRow, RequestFrom } from "./person.ts";

export interface PasswordCheckDeps {
  readonly hasher: PasswordHasher;
  readonly lockOut: LockOut;
  readonly reports: RefusalReports;
  readonly metrics: Metrics;
}

/** What failed of a sign-in, for counters and the audit trail. */
export type FailureReason = "password" | "code" | "ticket" | "provider" | "not_permitted";

export class PasswordCheck {
  readonly #deps: PasswordCheckDeps;
  readonly #failures: Counter;
  readonly #underWay = new Map<string, number>();

  constructor(deps: PasswordCheckDeps) {
    this.#deps = deps;
    this.#failures = deps.metrics.counter(
      "mcp_auth_failures_total",
      "Requests refused because of their credential.",
      ["method", "reason"],
    );
  }

  /** Throws SIGN_IN_FAILED, AUTH_LOCKED, SIGN_IN_BUSY. `name` is what was typed; a person that is disabled has no password. */
  async require(
    name: string,
    person: PersonRow | undefined,
    password: string,
    from: RequestFrom,
  ): Promise<void> {
    const credential = `password of ${name}`;
    this.requireUnlocked(from.address, credential);
    const right = await this.#oneOfFew(from.address, () =>
      this.#deps.hasher.matches(password, hashOf(person)),
    );
    if (right) return;
    this.#deps.lockOut.failed(from.address, credential);
    throw this.failed("password", from, person);
  }

  /** Throws AUTH_LOCKED where a credential is not looked at. */
  requireUnlocked(address: string | undefined, credential: string): void {
    const heldMs = this.#deps.lockOut.heldFor(address, credential, true);
    if (heldMs === 0) return;
    this.#failures.slot("password", "auth_locked").inc();
    throw new SignalboxError(
      "AUTH_LOCKED",
      "Too many attempts failed; wait before you try again.",
      { headers: { "retry-after": String(Math.ceil(heldMs / 1000)) } },
    );
  }

  /** Counts and tells a failure; the error to answer with. It never says which part was wrong before a password was right. */
  failed(reason: FailureReason, from: RequestFrom, person?: PersonRow): SignalboxError {
    const method = reason === "provider" || reason === "not_permitted" ? "oidc" : "password";
    const code = "SIGN_IN_FAILED";
    const message = MESSAGES[reason];
    this.#failures.slot(method, `${code.toLowerCase()}_${reason}`).inc();
    this.#deps.reports.tell(
      { ok: false, code, message, method, reason },
      { ...from, ...(person !== undefined && { person: person.id }) },
    );
    return new SignalboxError(code, message, { details: { reason } });
  }

  // So that guesses sent all at once are not all looked at before the first of them has counted, and that no one address
  // takes every place.
  async #oneOfFew<T>(address: string | undefined, work: () => Promise<T>): Promise<T> {
    const key = address ?? "";
    const before = this.#underWay.get(key) ?? 0;
    if (before >= PER_ADDRESS_MAX) {
      throw new SignalboxError("SIGN_IN_BUSY", "Too many passwords from here are being checked.");
    }
    this.#underWay.set(key, before + 1);
    try {
      return await work();
    } finally {
      const left = (this.#underWay.get(key) ?? 1) - 1;
      if (left === 0) this.#underWay.delete(key);
      else this.#underWay.set(key, left);
    }
  }
}

const PER_ADDRESS_MAX = 4;

const MESSAGES: Readonly<Record<FailureReason, string>> = {
  password: "The name or the password is wrong.",
  code: "The code is wrong, or was used before.",
  ticket: "Too much time has passed since the password; begin again.",
  provider: "The identity provider's answer does not fit this sign-in; begin again.",
  not_permitted: "You are known to the identity provider, but may not sign in here.",
};

function hashOf(person: PersonRow | undefined): string | undefined {
  return person?.disabledAt === undefined ? person?.passwordHash : undefined;
}
