// What a person is and where people are kept. The store holds nothing that is a secret by itself.
import type { Grant } from "../principal.ts";

/** A person as kept. Times are epoch milliseconds. */
export interface PersonRow {
  readonly id: string;
  /** Small letters, as the e-mail address. */
  readonly name: string;
  readonly email?: string;
  readonly role: string;
  /** "*" for every project. */
  readonly project: string;
  /** A PHC string of argon2id; absent where only the identity provider proves who it is. */
  readonly passwordHash?: string;
  readonly totp?: {
    readonly sealed: string;
    readonly keyId: string;
    /** False between the enrolment and its first right code; until then no code is asked for. */
    readonly confirmed: boolean;
    /** The newest step whose code was used. */
    readonly step?: number;
  };
  readonly recoveryHashes: readonly string[];
  /** Who it is at the identity provider. */
  readonly oidc?: { readonly issuer: string; readonly subject: string };
  readonly disabledAt?: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly lastSignInAt?: number;
}

/** What is changed of a person; null takes it away, what is left out stays. */
export interface PersonChanges {
  readonly name?: string;
  readonly email?: string | null;
  readonly role?: string;
  readonly project?: string;
  readonly passwordHash?: string;
  readonly totp?: { readonly sealed: string; readonly keyId: string } | null;
  readonly oidc?: { readonly issuer: string; readonly subject: string } | null;
  readonly disabledAt?: number | null;
}

/** How somebody who has a session signed in. */
export type SignInMethod = "password" | "oidc";

/** A session as kept. Times are epoch milliseconds. */
export interface SessionRow {
  /** SHA-256 of its token, hex. */
  readonly hash: string;
  readonly personId: string;
  readonly method: SignInMethod;
  readonly createdAt: number;
  readonly seenAt: number;
  readonly expiresAt: number;
}

/** Methods reject with STORE_UNAVAILABLE while the database is away. */
export interface PeopleStore {
  list(): Promise<readonly PersonRow[]>;
  get(id: string): Promise<PersonRow | undefined>;
  /** By name or e-mail address. */
  called(nameOrEmail: string): Promise<PersonRow | undefined>;
  ofSubject(issuer: string, subject: string): Promise<PersonRow | undefined>;
  /** Rejects with CONFLICT where the name, the address or the subject is somebody else's. */
  insert(row: PersonRow): Promise<void>;
  /** The person after the change; with `endSessions` it has none after it, but for the one of `except`. */
  update(
    id: string,
    changes: PersonChanges,
    at: number,
    endSessions?: { readonly except?: string },
  ): Promise<PersonRow | undefined>;
  remove(id: string): Promise<boolean>;
  /** Takes a step of the one-time codes; false where it or a later one was used. */
  useStep(id: string, step: number): Promise<boolean>;
  confirmTotp(id: string, step: number, recoveryHashes: readonly string[]): Promise<boolean>;
  /** Takes a recovery code; false where there is none of this hash. */
  useRecoveryCode(id: string, hash: string): Promise<boolean>;
  setRecoveryCodes(id: string, hashes: readonly string[]): Promise<void>;
  /** Of the person's sessions only the `keep` newest stay. */
  openSession(row: SessionRow, keep: number): Promise<void>;
  session(hash: string): Promise<{ session: SessionRow; person: PersonRow } | undefined>;
  seen(hash: string, at: number): Promise<void>;
  endSession(hash: string, at: number): Promise<boolean>;
}

/** The store that there is when it is asked; `store` throws STORE_UNAVAILABLE while there is none. */
export function latePeopleStore(store: () => PeopleStore): PeopleStore {
  return {
    list: async () => store().list(),
    get: async (...given) => store().get(...given),
    called: async (...given) => store().called(...given),
    ofSubject: async (...given) => store().ofSubject(...given),
    insert: async (...given) => store().insert(...given),
    update: async (...given) => store().update(...given),
    remove: async (...given) => store().remove(...given),
    useStep: async (...given) => store().useStep(...given),
    confirmTotp: async (...given) => store().confirmTotp(...given),
    useRecoveryCode: async (...given) => store().useRecoveryCode(...given),
    setRecoveryCodes: async (...given) => store().setRecoveryCodes(...given),
    openSession: async (...given) => store().openSession(...given),
    session: async (...given) => store().session(...given),
    seen: async (...given) => store().seen(...given),
    endSession: async (...given) => store().endSession(...given),
  };
}

/** Where a request came from, for what is told about it. */
export interface RequestFrom {
  /** The socket's peer. */
  readonly address: string | undefined;
  readonly requestId: string;
  /** The path that was asked. */
  readonly place: string;
}

/** A person as it may be shown. */
export interface PersonView {
  readonly id: string;
  readonly name: string;
  readonly email?: string;
  readonly role: string;
  readonly project: string;
  /** Whether it can sign in with a password. */
  readonly hasPassword: boolean;
  /** `waiting`: enrolled, and no code was given yet. */
  readonly totp: "off" | "waiting" | "on";
  /** How many recovery codes are left. */
  readonly recoveryCodes: number;
  /** The identity provider it has signed in with. */
  readonly provider?: string;
  readonly disabledAt?: number;
  readonly createdAt: number;
  readonly lastSignInAt?: number;
}

export function viewOfPerson(row: PersonRow): PersonView {
  const { id, name, email, role, project, passwordHash, totp, recoveryHashes, oidc } = row;
  const { disabledAt, createdAt, lastSignInAt } = row;
  return {
    id,
    name,
    ...(email !== undefined && { email }),
    role,
    project,
    hasPassword: passwordHash !== undefined,
    totp: totp === undefined ? "off" : totp.confirmed ? "on" : "waiting",
    recoveryCodes: recoveryHashes.length,
    ...(oidc !== undefined && { provider: oidc.issuer }),
    ...(disabledAt !== undefined && { disabledAt }),
    createdAt,
    ...(lastSignInAt !== undefined && { lastSignInAt }),
  };
}

/** What a person was given. */
export function grantOf({ id, name, role, project }: PersonRow, expiresAt: number): Grant {
  return { id, name, kind: "person", role, project, bundles: "all", expiresAt };
}
