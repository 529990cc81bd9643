// Who there is: made, changed and removed by administrators, and what people change of themselves.
import { SignalboxError, newId, type Clock } from "../../foundation/index.ts";
import type { Vault } from "../vault.ts";
import type { PasswordCheck } from "./password-check.ts";
import type { PasswordHasher } from "./password-hasher.ts";
import { requireGoodPassword } from "./password-rules.ts";
import {
  viewOfPerson,
  type PeopleStore,
  type PersonChanges,
  type PersonRow,
  type PersonView,
  type RequestFrom,
} from "./person.ts";
import { newRecoveryCodes } from "./recovery-codes.ts";
import { sessionHash, type Sessions } from "./sessions.ts";
import { TOTP_PURPOSE, totpPlace, type SignIn } from "./sign-in.ts";
import { newTotpSecret, stepOfCode, totpUri } from "./totp.ts";

export interface PeopleDeps {
  readonly store: PeopleStore;
  readonly sessions: Sessions;
  readonly signIn: SignIn;
  readonly passwords: PasswordCheck;
  readonly hasher: PasswordHasher;
  readonly vault: Vault;
  readonly clock: Clock;
  /** Throws ROLE_NOT_FOUND. */
  readonly requireRole: (name: string) => void;
  /** Throws PROJECT_NOT_FOUND; "*" is one. */
  readonly requireProject: (name: string) => void;
}

export interface NewPerson {
  readonly name: string;
  readonly email?: string | undefined;
  readonly role: string;
  readonly project: string;
  /** Without one only the identity provider lets it in. */
  readonly password?: string | undefined;
}

/** What an administrator changes; null takes it away, what is left out stays. */
export interface PersonUpdate {
  readonly name?: string | undefined;
  readonly email?: string | null | undefined;
  readonly role?: string | undefined;
  readonly project?: string | undefined;
  readonly disabled?: boolean | undefined;
}

/** Methods reject with STORE_UNAVAILABLE, and with PERSON_NOT_FOUND where there is none of an id. */
export class People {
  readonly #deps: PeopleDeps;

  constructor(deps: PeopleDeps) {
    this.#deps = deps;
  }

  /** By name. */
  async list(): Promise<readonly PersonView[]> {
    return (await this.#deps.store.list()).map(viewOfPerson);
  }

  async get(id: string): Promise<PersonView> {
    return viewOfPerson(await this.#row(id));
  }

  /** Rejects with NAME_INVALID, NAME_TAKEN, PASSWORD_WEAK, ROLE_NOT_FOUND, PROJECT_NOT_FOUND. */
  async add(wanted: NewPerson): Promise<PersonView> {
    const { store, clock, hasher, requireRole, requireProject } = this.#deps;
    const { role, project, password } = wanted;
    const name = personName(wanted.name);
    const email = wanted.email?.toLowerCase();
    requireRole(role);
    requireProject(project);
    if (password !== undefined) requireGoodPassword(password, [name, email]);
    const at = clock.now();
    const row: PersonRow = {
      id: newId("person"),
      name,
      ...(email !== undefined && { email }),
      role,
      project,
      ...(password !== undefined && { passwordHash: await hasher.hash(password) }),
      recoveryHashes: [],
      createdAt: at,
      updatedAt: at,
    };
    await unlessTaken(store.insert(row));
    return viewOfPerson(row);
  }

  /** Whoever gets another role or project, or is disabled, is signed out. Rejects as `add`. */
  async update(id: string, wanted: PersonUpdate): Promise<PersonView> {
    const { requireRole, requireProject, clock } = this.#deps;
    const { name, email, role, project, disabled } = wanted;
    if (role !== undefined) requireRole(role);
    if (project !== undefined) requireProject(project);
    const before = await this.#row(id);
    const disabledAt = disabled === true ? (before.disabledAt ?? clock.now()) : null;
    const changes: PersonChanges = {
      ...(name !== undefined && { name: personName(name) }),
      ...(email !== undefined && { email: email?.toLowerCase() ?? null }),
      ...(role !== undefined && { role }),
      ...(project !== undefined && { project }),
      ...(disabled !== undefined && { disabledAt }),
    };
    const takes =
      disabled === true ||
      (role !== undefined && role !== before.role) ||
      (project !== undefined && project !== before.project);
    return await this.#change(id, changes, takes ? {} : undefined);
  }

  async remove(id: string): Promise<void> {
    if (!(await this.#deps.store.remove(id))) throw notFound();
    this.#deps.sessions.forget();
  }

  /** Gives a person another password and signs it out everywhere. Rejects with PASSWORD_WEAK. */
  async resetPassword(id: string, password: string): Promise<PersonView> {
    const { name, email } = await this.#row(id);
    requireGoodPassword(password, [name, email]);
    return await this.#change(id, { passwordHash: await this.#deps.hasher.hash(password) }, {});
  }

  /** For who has lost the authenticator and the recovery codes: from now on the password is enough. Signs it out everywhere. */
  async resetTotp(id: string): Promise<PersonView> {
    return await this.#change(id, { totp: null }, {});
  }

  /** A person's own password; other sessions than the one of `token` end. Rejects with PASSWORD_WEAK, SIGN_IN_FAILED, AUTH_LOCKED. */
  async changePassword(
    id: string,
    typed: { readonly current: string; readonly next: string },
    own: { readonly token: string; readonly from: RequestFrom },
  ): Promise<PersonView> {
    const person = await this.#proved(id, typed.current, own.from);
    requireGoodPassword(typed.next, [person.name, person.email]);
    const passwordHash = await this.#deps.hasher.hash(typed.next);
    return await this.#change(id, { passwordHash }, { except: sessionHash(own.token) });
  }

  /** Begins to enrol an authenticator; the secret is shown here and nowhere else. Rejects with CONFLICT where there is one. */
  async beginTotp(
    id: string,
    password: string,
    from: RequestFrom,
  ): Promise<{ secret: string; uri: string }> {
    const { vault } = this.#deps;
    const { name, totp } = await this.#proved(id, password, from);
    if (totp?.confirmed === true)
      throw new SignalboxError("CONFLICT", "One-time codes are on already; turn them off first.");
    const secret = newTotpSecret();
    const sealed = vault.for(TOTP_PURPOSE).seal(secret, totpPlace(id));
    await this.#change(id, { totp: { sealed, keyId: vault.keyId } });
    return { secret, uri: totpUri(secret, name) };
  }

  /** Turns one-time codes on, with the first right one; the recovery codes are shown here and nowhere else. */
  async confirmTotp(id: string, code: string, from: RequestFrom): Promise<readonly string[]> {
    const { vault, store, clock, passwords } = this.#deps;
    const person = await this.#row(id);
    if (person.totp?.confirmed !== false)
      throw new SignalboxError("CONFLICT", "No authenticator waits to be confirmed.");
    const secret = vault.for(TOTP_PURPOSE).open(person.totp.sealed, totpPlace(id));
    const step = stepOfCode(secret, code.replaceAll(/\s/g, ""), clock.now());
    if (step === undefined) throw passwords.failed("code", from, person);
    const { codes, hashes } = newRecoveryCodes(id);
    if (!(await store.confirmTotp(id, step, hashes)))
      throw new SignalboxError("CONFLICT", "No authenticator waits to be confirmed.");
    this.#deps.sessions.forget();
    return codes;
  }

  /** Turns one-time codes off; takes a code too, so that a password alone cannot. */
  async disableTotp(
    id: string,
    typed: { readonly password: string; readonly code: string },
    from: RequestFrom,
  ): Promise<PersonView> {
    const person = await this.#proved(id, typed.password, from);
    if (person.totp?.confirmed === true)
      await this.#deps.signIn.requireCode(person, typed.code, from);
    return await this.#change(id, { totp: null });
  }

  /** Ten other recovery codes in place of those that are left. Rejects with CONFLICT where one-time codes are off. */
  async renewRecoveryCodes(
    id: string,
    password: string,
    from: RequestFrom,
  ): Promise<readonly string[]> {
    const { totp } = await this.#proved(id, password, from);
    if (totp?.confirmed !== true)
      throw new SignalboxError("CONFLICT", "Without one-time codes there is nothing to recover.");
    const { codes, hashes } = newRecoveryCodes(id);
    await this.#deps.store.setRecoveryCodes(id, hashes);
    this.#deps.sessions.forget();
    return codes;
  }

  // Whoever finds an open session must not make it his own.
  async #proved(id: string, password: string, from: RequestFrom): Promise<PersonRow> {
    const person = await this.#row(id);
    if (person.passwordHash === undefined) {
      throw new SignalboxError(
        "CONFLICT",
        "You sign in with the identity provider and have no password here.",
      );
    }
    await this.#deps.passwords.require(person.name, person, password, from);
    return person;
  }

  async #change(
    id: string,
    changes: PersonChanges,
    endSessions?: { readonly except?: string },
  ): Promise<PersonView> {
    const { store, clock, sessions } = this.#deps;
    const row = await unlessTaken(store.update(id, changes, clock.now(), endSessions));
    sessions.forget();
    if (row === undefined) throw notFound();
    return viewOfPerson(row);
  }

  async #row(id: string): Promise<PersonRow> {
    const row = await this.#deps.store.get(id);
    if (row === undefined) throw notFound();
    return row;
  }
}

/** A name as it is kept. Throws NAME_INVALID. */
function personName(given: string): string {
  const name = given.trim().toLowerCase();
  if (personNameShape.test(name)) return name;
  throw new SignalboxError(
    "NAME_INVALID",
    "The name of a person has letters, digits, dots, hyphens and underscores, begins with a letter or digit, and has at most 64 characters.",
  );
}

/** In small letters; without "@", so that no name is somebody else's address. */
export const personNameShape = /^[a-z0-9][a-z0-9._-]{0,63}$/;

async function unlessTaken<T>(change: Promise<T>): Promise<T> {
  try {
    return await change;
  } catch (error) {
    if (error instanceof SignalboxError && error.code === "CONFLICT") {
      throw new SignalboxError("NAME_TAKEN", "Somebody else has this name or e-mail address.", {
        cause: error,
      });
    }
    throw error;
  }
}

function notFound(): SignalboxError {
  return new SignalboxError("PERSON_NOT_FOUND", "There is no person with this id.");
}
