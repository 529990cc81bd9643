// Signing in with a password and, where one is enrolled, a one-time code. Between the two the browser holds a ticket: sealed,
// for five minutes, and of no use once the password was changed.
import { createHash } from "node:crypto";
import { z } from "zod";
import { SignalboxError, type AuditSink, type Clock } from "../../foundation/index.ts";
import { LockOut } from "../lock-out.ts";
import type { LockOutOptions } from "../lock-out-options.ts";
import type { TextSealer } from "../sealer.ts";
import type { Sealer } from "../vault.ts";
import type { PasswordCheck } from "./password-check.ts";
import type { PasswordHasher } from "./password-hasher.ts";
import type { PeopleStore, PersonRow, RequestFrom } from "./person.ts";
import { isRecoveryCode, recoveryHash } from "./recovery-codes.ts";
import type { OpenedSession, Sessions } from "./sessions.ts";
import { stepOfCode } from "./totp.ts";

export interface SignInDeps {
  readonly store: PeopleStore;
  readonly sessions: Sessions;
  readonly passwords: PasswordCheck;
  readonly hasher: PasswordHasher;
  /** Of tickets. */
  readonly sealer: TextSealer;
  /** Of the secrets of one-time codes. */
  readonly totpSealer: Sealer;
  readonly lockOut: LockOutOptions;
  readonly clock: Clock;
  readonly audit: AuditSink;
}

/** Signed in, or a ticket with which to bring the code. */
export type SignInStep =
  | { readonly signedIn: true; readonly opened: OpenedSession }
  | { readonly signedIn: false; readonly ticket: string };

export class SignIn {
  readonly #deps: SignInDeps;
  /**
   * By person, from wherever: who comes this far has the password, so a stranger cannot lock anybody out here, and six
   * digits must not be guessed from many addresses.
   */
  readonly #codes: LockOut;

  constructor(deps: SignInDeps) {
    this.#deps = deps;
    this.#codes = new LockOut({ ...deps.lockOut, shared_addresses: [] }, deps.clock);
  }

  /** Throws SIGN_IN_FAILED, AUTH_LOCKED, SIGN_IN_BUSY, STORE_UNAVAILABLE. */
  async withPassword(
    typed: { readonly name: string; readonly password: string },
    from: RequestFrom,
  ): Promise<SignInStep> {
    const { store, passwords, hasher } = this.#deps;
    const name = typed.name.trim().toLowerCase();
    const person = await store.called(name);
    await passwords.require(name, person, typed.password, from);
    if (person?.passwordHash === undefined) throw passwords.failed("password", from);
    if (person.totp?.confirmed === true) return { signedIn: false, ticket: this.#ticket(person) };
    if (hasher.outdated(person.passwordHash)) {
      const passwordHash = await hasher.hash(typed.password);
      await store.update(person.id, { passwordHash }, this.#deps.clock.now());
    }
    return { signedIn: true, opened: await this.#open(person, "none", from) };
  }

  /** With the code of an authenticator, or a recovery code. Throws as `withPassword`. */
  async withCode(
    { ticket, code }: { readonly ticket: string; readonly code: string },
    from: RequestFrom,
  ): Promise<OpenedSession> {
    const person = await this.#personOf(ticket);
    if (person === undefined) throw this.#deps.passwords.failed("ticket", from);
    const factor = await this.requireCode(person, code, from);
    return await this.#open(person, factor, from);
  }

  /** Takes a code, which then is used; which kind it was. Throws SIGN_IN_FAILED, AUTH_LOCKED. */
  async requireCode(
    person: PersonRow,
    code: string,
    from: RequestFrom,
  ): Promise<"totp" | "recovery_code"> {
    const heldMs = this.#codes.heldFor(person.id, CODES, true);
    if (heldMs > 0) {
      throw new SignalboxError("AUTH_LOCKED", "Too many wrong codes; wait before the next.", {
        headers: { "retry-after": String(Math.ceil(heldMs / 1000)) },
      });
    }
    const factor = await this.#takenAs(person, code);
    if (factor !== undefined) return factor;
    this.#codes.failed(person.id, CODES);
    throw this.#deps.passwords.failed("code", from, person);
  }

  async #takenAs(person: PersonRow, code: string): Promise<"totp" | "recovery_code" | undefined> {
    const { store, totpSealer, clock } = this.#deps;
    const { id, totp } = person;
    if (isRecoveryCode(code)) {
      const taken = await store.useRecoveryCode(id, recoveryHash(id, code));
      return taken ? "recovery_code" : undefined;
    }
    if (totp?.confirmed !== true) return undefined;
    const secret = totpSealer.open(totp.sealed, totpPlace(id));
    const step = stepOfCode(secret, code.replaceAll(/\s/g, ""), clock.now());
    return step !== undefined && (await store.useStep(id, step)) ? "totp" : undefined;
  }

  async #open(person: PersonRow, secondFactor: string, from: RequestFrom): Promise<OpenedSession> {
    const { sessions, audit } = this.#deps;
    const opened = await sessions.open(person, "password");
    audit(signedInEvent(person, { method: "password", secondFactor }, from));
    return opened;
  }

  #ticket({ id, passwordHash = "" }: PersonRow): string {
    const expiresAt = this.#deps.clock.now() + TICKET_MS;
    return this.#deps.sealer.seal(JSON.stringify({ id, expiresAt, mark: markOf(passwordHash) }));
  }

  async #personOf(ticket: string): Promise<PersonRow | undefined> {
    const text = this.#deps.sealer.open(ticket);
    if (text === undefined) return undefined;
    const { id, expiresAt, mark } = ticketSchema.parse(JSON.parse(text));
    if (expiresAt <= this.#deps.clock.now()) return undefined;
    const person = await this.#deps.store.get(id);
    const same = person?.disabledAt === undefined && markOf(person?.passwordHash ?? "") === mark;
    return same ? person : undefined;
  }
}

/** What is told of a sign-in. */
export function signedInEvent(
  { id, name, project }: PersonRow,
  details: Record<string, unknown>,
  { address, requestId }: RequestFrom,
): Parameters<AuditSink>[0] {
  return {
    action: "person.sign_in",
    actor: { id, name, kind: "person" },
    target: `person:${id}`,
    project,
    outcome: "ok",
    details,
    requestId,
    ...(address !== undefined && { address }),
  };
}

/** What the secret of a person's one-time codes is sealed with beside its purpose. */
export function totpPlace(personId: string): string {
  return `people ${personId}`;
}

export const TOTP_PURPOSE = "totp";

const TICKET_MS = 5 * 60_000;
const CODES = "one-time codes";
const ticketSchema = z.object({ id: z.string(), expiresAt: z.number(), mark: z.string() });

function markOf(passwordHash: string): string {
  return createHash("sha256").update(passwordHash).digest("base64url").slice(0, 16);
}
