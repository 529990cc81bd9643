// The audit trail hears of refused credentials, but is no way to fill a disk: of equal refusals from one address one a minute
// is told, with how many there were, and of all together a few a second.
import type { AuditSink, Clock } from "../foundation/index.ts";
import type { AuthRefusal } from "./auth-outcome.ts";

export class RefusalReports {
  readonly #audit: AuditSink;
  readonly #clock: Clock;
  readonly #told = new Map<string, { readonly at: number; silent: number }>();
  #untold = 0;
  #allowance = BURST;
  #refilledAt: number;

  constructor(audit: AuditSink, clock: Clock) {
    this.#audit = audit;
    this.#clock = clock;
    this.#refilledAt = clock.monotonicMs();
  }

  tell(
    refusal: AuthRefusal,
    about: {
      readonly address: string | undefined;
      readonly requestId: string | undefined;
      readonly place: string;
      /** Whose account it was about. */
      readonly person?: string;
    },
  ): void {
    const { code, method = "key", reason } = refusal;
    const now = this.#clock.monotonicMs();
    const key = `${about.address ?? ""} ${method} ${code} ${reason ?? ""} ${about.person ?? ""}`;
    const before = this.#told.get(key);
    if (before !== undefined && now - before.at < EQUAL_EVERY_MS) {
      before.silent += 1;
      return;
    }
    if (!this.#mayTell(now)) {
      this.#untold += 1;
      return;
    }
    this.#told.delete(key);
    const [oldest] = this.#told.keys();
    if (this.#told.size >= TOLD_MAX && oldest !== undefined) this.#told.delete(oldest);
    this.#told.set(key, { at: now, silent: 0 });
    this.#audit({
      action: "auth.refuse",
      actor: NOBODY,
      target: `endpoint:${about.place}`,
      outcome: "denied",
      code,
      details: {
        method,
        ...(reason !== undefined && { reason }),
        ...(about.person !== undefined && { person: about.person }),
        ...((before?.silent ?? 0) > 0 && { equalSince: before?.silent }),
        ...(this.#untold > 0 && { othersUntold: this.#untold }),
      },
      ...(about.address !== undefined && { address: about.address }),
      ...(about.requestId !== undefined && { requestId: about.requestId }),
    });
    this.#untold = 0;
  }

  #mayTell(now: number): boolean {
    const grown = ((now - this.#refilledAt) * PER_SECOND) / 1000;
    this.#allowance = Math.min(BURST, this.#allowance + grown);
    this.#refilledAt = now;
    if (this.#allowance < 1) return false;
    this.#allowance -= 1;
    return true;
  }
}

// Who sends a wrong credential is not known, whatever it says.
const NOBODY = { id: "unknown", name: "unknown", kind: "anonymous" } as const;
const EQUAL_EVERY_MS = 60_000;
const TOLD_MAX = 1_000;
const BURST = 100;
const PER_SECOND = 10;
