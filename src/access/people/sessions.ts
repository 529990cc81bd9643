// Who is signed in. A session is an opaque token of 256 random bits in a cookie, kept as its hash. What was looked up is
// remembered until something was taken from somebody (the store tells of that, as it does of revoked keys), and for a few
// seconds at the most.
import { createHash } from "node:crypto";
import { randomToken, type Clock, type Counter, type Metrics } from "../../foundation/index.ts";
import type { AuthOutcome, AuthRefusal } from "../auth-outcome.ts";
import type { Grant, Principal } from "../principal.ts";
import type { RefusalReports } from "../refusal-reports.ts";
import type { SessionOptions } from "./people-options.ts";
import {
  grantOf,
  type PeopleStore,
  type PersonRow,
  type RequestFrom,
  type SessionRow,
  type SignInMethod,
} from "./person.ts";

export interface SessionsDeps {
  readonly store: PeopleStore;
  readonly options: SessionOptions;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly reports: RefusalReports;
  /** The holder of a grant under the roles of the moment. */
  readonly principal: (grant: Grant) => Principal;
}

/** A session that was opened just now. */
export interface OpenedSession {
  /** Goes into the cookie and is kept nowhere. */
  readonly token: string;
  readonly person: PersonRow;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

/** Somebody who is signed in. */
export interface SignedIn {
  readonly session: SessionRow;
  readonly person: PersonRow;
  readonly principal: Principal;
}

export class Sessions {
  readonly #deps: SessionsDeps;
  readonly #failures: Counter;
  readonly #known = new Map<string, Known>();
  /** Grows whenever what is known is forgotten: what was read before that is not remembered. */
  #generation = 0;

  constructor(deps: SessionsDeps) {
    this.#deps = deps;
    this.#failures = deps.metrics.counter(
      "mcp_auth_failures_total",
      "Requests refused because of their credential.",
      ["method", "reason"],
    );
  }

  /** Signs a person in who has proved who it is. */
  async open(person: PersonRow, method: SignInMethod): Promise<OpenedSession> {
    const now = this.#deps.clock.now();
    const token = randomToken(TOKEN_BYTES);
    const expiresAt = now + this.#deps.options.lifetime;
    const hash = sessionHash(token);
    await this.#deps.store.openSession(
      { hash, personId: person.id, method, createdAt: now, seenAt: now, expiresAt },
      PER_PERSON_MAX,
    );
    return { token, person, expiresAt };
  }

  /** Who a token is; undefined where it is no session, or none any more. Rejects with STORE_UNAVAILABLE. */
  async find(token: string): Promise<SignedIn | undefined> {
    return this.#look(token).then((found) => (typeof found === "string" ? undefined : found));
  }

  /** Whose request it is that brings a token; a refusal is counted and told. */
  async authenticate(token: string, from: RequestFrom): Promise<AuthOutcome> {
    const found = await this.#look(token);
    if (typeof found !== "string") return { ok: true, principal: found.principal };
    const refusal: AuthRefusal = { ...ENDED, reason: found };
    this.#failures.slot("session", `session_invalid_${found}`).inc();
    this.#deps.reports.tell(refusal, from);
    return refusal;
  }

  /** Ends a session, here at once and in other processes within a second; false where it was none any more. */
  async end(token: string): Promise<boolean> {
    const hash = sessionHash(token);
    const ended = await this.#deps.store.endSession(hash, this.#deps.clock.now());
    this.forget();
    return ended;
  }

  /** Everything is looked up anew from now on: somebody was changed, or signed out, here or elsewhere. */
  forget(): void {
    this.#generation += 1;
    this.#known.clear();
  }

  async #look(token: string): Promise<SignedIn | Missing> {
    if (!TOKEN_SHAPE.test(token)) return "unknown";
    const hash = sessionHash(token);
    const found = this.#remembered(hash) ?? (await this.#read(hash));
    if (found === undefined) return "unknown";
    const { session, person } = found;
    const now = this.#deps.clock.now();
    if (person.disabledAt !== undefined) return "disabled";
    const idleUntil = session.seenAt + this.#deps.options.idle;
    if (now >= session.expiresAt || now >= idleUntil) return "expired";
    await this.#seen(found, now);
    return { session, person, principal: this.#deps.principal(grantOf(person, session.expiresAt)) };
  }

  #remembered(hash: string): Known | undefined {
    const known = this.#known.get(hash);
    const { clock, options } = this.#deps;
    if (known === undefined || clock.monotonicMs() - known.readAt > REMEMBERED_MS) return undefined;
    // Another process may have seen it meanwhile.
    return clock.now() >= known.session.seenAt + options.idle ? undefined : known;
  }

  async #read(hash: string): Promise<Known | undefined> {
    const { store, clock } = this.#deps;
    const generation = this.#generation;
    const row = await store.session(hash);
    if (row === undefined) return undefined;
    const known = { ...row, readAt: clock.monotonicMs() };
    if (generation === this.#generation) this.#remember(hash, known);
    return known;
  }

  #remember(hash: string, known: Known): void {
    this.#known.delete(hash);
    const [oldest] = this.#known.keys();
    if (this.#known.size >= KNOWN_MAX && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(hash, known);
  }

  // Not with every request: a minute more or less of hours makes no difference.
  async #seen(known: Known, now: number): Promise<void> {
    const { session } = known;
    if (now - session.seenAt < Math.min(SEEN_EVERY_MS, this.#deps.options.idle / 4)) return;
    known.session = { ...session, seenAt: now };
    await this.#deps.store.seen(session.hash, now);
  }
}

interface Known {
  session: SessionRow;
  readonly person: PersonRow;
  /** Monotonic milliseconds. */
  readonly readAt: number;
}

type Missing = "unknown" | "expired" | "disabled";

/** SHA-256 in hex. The token has 256 random bits, so no salt or slow hash is needed. */
export function sessionHash(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

const TOKEN_BYTES = 32;
const TOKEN_SHAPE = /^[A-Za-z0-9_-]{43}$/;
/** Sessions of one person at once; the oldest goes. */
const PER_PERSON_MAX = 50;
const KNOWN_MAX = 10_000;
/** A notification is lost with its connection; this bounds how long an ended session can then go on. */
const REMEMBERED_MS = 5_000;
const SEEN_EVERY_MS = 60_000;

const ENDED: AuthRefusal = {
  ok: false,
  code: "SESSION_INVALID",
  message: "The session has ended; sign in again.",
  method: "session",
};
