// For tests: a store of people in memory, with the rules of the real one, and all that signs people in over it.
import { randomBytes } from "node:crypto";
import {
  Metrics,
  SignalboxError,
  manualClock,
  type AuditEvent,
  type ManualClock,
} from "../../foundation/index.ts";
import { LockOut } from "../lock-out.ts";
import { lockOutOptions } from "../lock-out-options.ts";
import { RefusalReports } from "../refusal-reports.ts";
import { Roles } from "../roles.ts";
import { textSealer } from "../sealer.ts";
import { Vault } from "../vault.ts";
import { PasswordCheck } from "./password-check.ts";
import { PasswordHasher } from "./password-hasher.ts";
import { sessionOptions } from "./people-options.ts";
import { People } from "./people.ts";
import type { PeopleStore, PersonChanges, PersonRow, SessionRow } from "./person.ts";
import { Sessions } from "./sessions.ts";
import { SignIn, TOTP_PURPOSE } from "./sign-in.ts";

export class FakePeopleStore implements PeopleStore {
  readonly people = new Map<string, PersonRow>();
  readonly sessions = new Map<string, SessionRow>();
  /** How often a session was looked up. */
  reads = 0;

  list = async (): Promise<PersonRow[]> => [...this.people.values()];
  get = async (id: string): Promise<PersonRow | undefined> => this.people.get(id);
  called = async (name: string): Promise<PersonRow | undefined> =>
    this.#find((one) => one.name === name || one.email === name);
  ofSubject = async (issuer: string, subject: string): Promise<PersonRow | undefined> =>
    this.#find(({ oidc }) => oidc?.issuer === issuer && oidc.subject === subject);

  insert = async (row: PersonRow): Promise<void> => {
    this.#requireFree(row);
    this.people.set(row.id, row);
  };

  update = async (
    id: string,
    changes: PersonChanges,
    at: number,
    endSessions?: { readonly except?: string },
  ): Promise<PersonRow | undefined> => {
    const before = this.people.get(id);
    if (before === undefined) return undefined;
    const { email, totp, oidc, disabledAt, ...plain } = changes;
    const merged = {
      ...before,
      ...plain,
      ...put("email", email),
      ...put("oidc", oidc),
      ...put("disabledAt", disabledAt),
      ...(totp !== undefined && { recoveryHashes: [] }),
      ...put("totp", totp && { ...totp, confirmed: false }),
      updatedAt: at,
    };
    const row: PersonRow = JSON.parse(JSON.stringify(merged));
    this.#requireFree(row);
    this.people.set(id, row);
    if (endSessions !== undefined) {
      for (const [hash, { personId }] of this.sessions)
        if (personId === id && hash !== endSessions.except) this.sessions.delete(hash);
    }
    return row;
  };

  remove = async (id: string): Promise<boolean> => this.people.delete(id);

  useStep = async (id: string, step: number): Promise<boolean> => {
    const row = this.people.get(id);
    if (row?.totp?.confirmed !== true || (row.totp.step ?? -1) >= step) return false;
    this.people.set(id, { ...row, totp: { ...row.totp, step } });
    return true;
  };

  confirmTotp = async (id: string, step: number, hashes: readonly string[]): Promise<boolean> => {
    const row = this.people.get(id);
    if (row?.totp?.confirmed !== false) return false;
    const totp = { ...row.totp, confirmed: true, step };
    this.people.set(id, { ...row, totp, recoveryHashes: hashes });
    return true;
  };

  useRecoveryCode = async (id: string, hash: string): Promise<boolean> => {
    const row = this.people.get(id);
    if (row?.recoveryHashes.includes(hash) !== true) return false;
    const recoveryHashes = row.recoveryHashes.filter((one) => one !== hash);
    this.people.set(id, { ...row, recoveryHashes });
    return true;
  };

  setRecoveryCodes = async (id: string, recoveryHashes: readonly string[]): Promise<void> => {
    const row = this.people.get(id);
    if (row !== undefined) this.people.set(id, { ...row, recoveryHashes });
  };

  openSession = async (row: SessionRow): Promise<void> => void this.sessions.set(row.hash, row);

  session = async (
    hash: string,
  ): Promise<{ session: SessionRow; person: PersonRow } | undefined> => {
    this.reads += 1;
    const session = this.sessions.get(hash);
    const person = session && this.people.get(session.personId);
    return session && person && { session, person };
  };

  seen = async (hash: string, seenAt: number): Promise<void> => {
    const row = this.sessions.get(hash);
    if (row !== undefined) this.sessions.set(hash, { ...row, seenAt });
  };

  endSession = async (hash: string): Promise<boolean> => this.sessions.delete(hash);

  #find(fits: (row: PersonRow) => boolean): PersonRow | undefined {
    return [...this.people.values()].find(fits);
  }

  #requireFree({ id, name, email }: PersonRow): void {
    const taken = this.#find(
      (one) => one.id !== id && (one.name === name || (email !== undefined && one.email === email)),
    );
    if (taken !== undefined) throw new SignalboxError("CONFLICT", "This exists already.");
  }
}

function put<K extends keyof PersonRow>(name: K, value: PersonRow[K] | null | undefined): object {
  return value === undefined ? {} : { [name]: value ?? undefined };
}

export interface FakePeople {
  readonly store: FakePeopleStore;
  readonly directory: People;
  readonly sessions: Sessions;
  readonly signIn: SignIn;
  readonly passwords: PasswordCheck;
  readonly hasher: PasswordHasher;
  readonly vault: Vault;
  readonly clock: ManualClock;
  readonly metrics: Metrics;
  readonly audited: AuditEvent[];
}

/** People over a store in memory. Roles are the built-in ones; projects `default`, `elsewhere` and `*`. */
export function fakePeople(
  given: { clock?: ManualClock; metrics?: Metrics; audited?: AuditEvent[]; lockOut?: object } = {},
): FakePeople {
  const { clock = manualClock(Date.UTC(2026, 10, 20)), metrics = new Metrics() } = given;
  const { audited = [] } = given;
  const audit = (event: AuditEvent): void => void audited.push(event);
  const store = new FakePeopleStore();
  const vault = new Vault();
  vault.unlock([randomBytes(32)]);
  // As cheap as argon2 can be: tests sign in again and again.
  const hasher = new PasswordHasher(undefined, { memory: 64, passes: 1, parallelism: 1 });
  const lockOut = lockOutOptions.parse(given.lockOut ?? {});
  const reports = new RefusalReports(audit, clock);
  const roles = new Roles();
  const sessions = new Sessions({
    store,
    options: sessionOptions.parse({}),
    clock,
    metrics,
    reports,
    principal: (grant) => roles.principal(grant),
  });
  const passwords = new PasswordCheck({
    hasher,
    lockOut: new LockOut(lockOut, clock),
    reports,
    metrics,
  });
  const signIn = new SignIn({
    store,
    sessions,
    passwords,
    hasher,
    sealer: textSealer(vault, "sign-in"),
    totpSealer: vault.for(TOTP_PURPOSE),
    lockOut,
    clock,
    audit,
  });
  const directory = new People({
    store,
    sessions,
    signIn,
    passwords,
    hasher,
    vault,
    clock,
    requireRole: (name) => {
      if (roles.rulesOf(name) === undefined)
        throw new SignalboxError("ROLE_NOT_FOUND", `There is no role "${name}".`);
    },
    requireProject: (name) => {
      if (!["default", "elsewhere", "*"].includes(name))
        throw new SignalboxError("PROJECT_NOT_FOUND", `There is no project "${name}".`);
    },
  });
  return { store, directory, sessions, signIn, passwords, hasher, vault, clock, metrics, audited };
}
