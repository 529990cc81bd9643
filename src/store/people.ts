// People and their sessions. Nothing here is a secret by itself: passwords, recovery codes and session tokens are hashes,
// secrets of one-time codes are sealed.
import type { PoolClient, QueryResult } from "pg";
import { z } from "zod";
import type { Database } from "./database.ts";

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
    readonly confirmed: boolean;
    /** The newest step whose code was used. */
    readonly step?: number;
  };
  readonly recoveryHashes: readonly string[];
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

/** A session as kept. Times are epoch milliseconds. */
export interface SessionRow {
  /** SHA-256 of its token, hex. */
  readonly hash: string;
  readonly personId: string;
  readonly method: "password" | "oidc";
  readonly createdAt: number;
  readonly seenAt: number;
  readonly expiresAt: number;
}

export interface People {
  /** By name; 10,000 at the most. */
  list(): Promise<readonly PersonRow[]>;
  get(id: string): Promise<PersonRow | undefined>;
  /** By name or e-mail address. */
  called(nameOrEmail: string): Promise<PersonRow | undefined>;
  ofSubject(issuer: string, subject: string): Promise<PersonRow | undefined>;
  /** Throws CONFLICT where the name, the address or the subject is somebody else's. */
  insert(row: PersonRow): Promise<void>;
  /**
   * The person after the change, undefined where there is none. `endSessions` ends those that are open, but for the one
   * of `except`. Throws CONFLICT as `insert`.
   */
  update(
    id: string,
    changes: PersonChanges,
    at: number,
    endSessions?: { readonly except?: string },
  ): Promise<PersonRow | undefined>;
  remove(id: string): Promise<boolean>;
  /** Takes a step of the one-time codes; false where it or a later one was used. */
  useStep(id: string, step: number): Promise<boolean>;
  /** Makes the one-time codes needed from now on; false where there is no secret that waits for that. */
  confirmTotp(id: string, step: number, recoveryHashes: readonly string[]): Promise<boolean>;
  /** Takes a recovery code; false where there is none of this hash. */
  useRecoveryCode(id: string, hash: string): Promise<boolean>;
  setRecoveryCodes(id: string, hashes: readonly string[]): Promise<void>;
  /** Opens a session; of those of the person only the `keep` newest stay. */
  openSession(row: SessionRow, keep: number): Promise<void>;
  /** An open session with whose it is; undefined where there is none, or it was ended. */
  session(hash: string): Promise<{ session: SessionRow; person: PersonRow } | undefined>;
  seen(hash: string, at: number): Promise<void>;
  /** False where it was no longer open. */
  endSession(hash: string, at: number): Promise<boolean>;
}

/** The people of a database. */
export function peopleIn(database: Database): People {
  const query = (text: string, values: readonly unknown[] = []): Promise<QueryResult> =>
    database.query(text, values);
  const touched = async (text: string, values: readonly unknown[]): Promise<boolean> =>
    ((await query(text, values)).rowCount ?? 0) > 0;
  return {
    list: async () => all(await query(`${SELECT} ORDER BY name LIMIT 10000`)),
    get: async (id) => one(await query(`${SELECT} WHERE id = $1`, [id])),
    called: async (name) => one(await query(`${SELECT} WHERE name = $1 OR email = $1`, [name])),
    ofSubject: async (issuer, subject) =>
      one(await query(`${SELECT} WHERE oidc_issuer = $1 AND oidc_subject = $2`, [issuer, subject])),
    insert: async (row) => void (await query(INSERT, valuesOf(row))),
    update: (id, changes, at, endSessions) =>
      database.onOneConnection(async (client) => {
        await client.query("BEGIN");
        const person = await updated(client, id, changes, at);
        if (endSessions !== undefined) {
          await client.query(
            `UPDATE signalbox.sessions SET ended_at = $2
             WHERE person_id = $1 AND ended_at IS NULL AND hash IS DISTINCT FROM $3`,
            [id, new Date(at), endSessions.except ?? null],
          );
        }
        await client.query("COMMIT");
        return person;
      }),
    remove: (id) => touched("DELETE FROM signalbox.people WHERE id = $1", [id]),
    useStep: (id, step) =>
      touched(
        `UPDATE signalbox.people SET totp_step = $2
         WHERE id = $1 AND totp_confirmed AND (totp_step IS NULL OR totp_step < $2)`,
        [id, step],
      ),
    confirmTotp: (id, step, hashes) =>
      touched(
        `UPDATE signalbox.people SET totp_confirmed = true, totp_step = $2, recovery_hashes = $3
         WHERE id = $1 AND totp_sealed IS NOT NULL AND NOT totp_confirmed`,
        [id, step, [...hashes]],
      ),
    useRecoveryCode: (id, hash) =>
      touched(
        `UPDATE signalbox.people SET recovery_hashes = array_remove(recovery_hashes, $2)
         WHERE id = $1 AND $2 = ANY (recovery_hashes)`,
        [id, hash],
      ),
    setRecoveryCodes: async (id, hashes) =>
      void (await query("UPDATE signalbox.people SET recovery_hashes = $2 WHERE id = $1", [
        id,
        [...hashes],
      ])),
    openSession: async (row, keep) => openSession(database, row, keep),
    session: async (hash) => {
      const [row] = (await query(SESSION, [hash])).rows;
      if (row === undefined) return undefined;
      return { session: sessionSchema.parse(row), person: personSchema.parse(row) };
    },
    seen: async (hash, at) =>
      void (await query(
        "UPDATE signalbox.sessions SET seen_at = greatest(seen_at, $2) WHERE hash = $1",
        [hash, new Date(at)],
      )),
    endSession: (hash, at) =>
      touched("UPDATE signalbox.sessions SET ended_at = $2 WHERE hash = $1 AND ended_at IS NULL", [
        hash,
        new Date(at),
      ]),
  };
}

async function updated(
  client: PoolClient,
  id: string,
  changes: PersonChanges,
  at: number,
): Promise<PersonRow | undefined> {
  const { rows } = await client.query(`${SELECT} WHERE id = $1 FOR UPDATE`, [id]);
  if (rows[0] === undefined) return undefined;
  const next: PersonRow = changed(personSchema.parse(rows[0]), changes, at);
  const sets = COLUMNS.slice(1).map((column, index) => `${column} = $${index + 2}`);
  await client.query(
    `UPDATE signalbox.people SET ${sets.join(", ")} WHERE id = $1`,
    valuesOf(next),
  );
  return next;
}

function changed(before: PersonRow, changes: PersonChanges, at: number): PersonRow {
  const { email, totp, oidc, disabledAt, ...kept } = before;
  const { email: newEmail, totp: newTotp, oidc: newOidc, disabledAt: newDisabledAt } = changes;
  const { email: _e, totp: _t, oidc: _o, disabledAt: _d, ...plain } = changes;
  const nextEmail = newEmail === undefined ? email : (newEmail ?? undefined);
  const nextOidc = newOidc === undefined ? oidc : (newOidc ?? undefined);
  const nextDisabledAt = newDisabledAt === undefined ? disabledAt : (newDisabledAt ?? undefined);
  const nextTotp =
    newTotp === undefined ? totp : newTotp === null ? undefined : { ...newTotp, confirmed: false };
  return {
    ...kept,
    ...plain,
    ...(nextEmail !== undefined && { email: nextEmail }),
    ...(nextTotp !== undefined && { totp: nextTotp }),
    ...(nextOidc !== undefined && { oidc: nextOidc }),
    ...(nextDisabledAt !== undefined && { disabledAt: nextDisabledAt }),
    ...(newTotp !== undefined && { recoveryHashes: [] }),
    updatedAt: at,
  };
}

// Expired ones are forgotten here, since nobody else looks at them.
async function openSession(database: Database, row: SessionRow, keep: number): Promise<void> {
  const { hash, personId, method, createdAt, seenAt, expiresAt } = row;
  const at = new Date(createdAt);
  await database.onOneConnection(async (client) => {
    await client.query("BEGIN");
    await client.query("DELETE FROM signalbox.sessions WHERE expires_at < $1", [at]);
    await client.query(
      `INSERT INTO signalbox.sessions (hash, person_id, method, created_at, seen_at, expires_at)
       VALUES ($1, $2, $3, $4, $5, $6)`,
      [hash, personId, method, at, new Date(seenAt), new Date(expiresAt)],
    );
    await client.query(
      `DELETE FROM signalbox.sessions WHERE hash IN (
         SELECT hash FROM signalbox.sessions WHERE person_id = $1 ORDER BY created_at DESC, hash OFFSET $2)`,
      [personId, keep],
    );
    await client.query("UPDATE signalbox.people SET last_sign_in_at = $2 WHERE id = $1", [
      personId,
      at,
    ]);
    await client.query("COMMIT");
  });
}

const COLUMNS = [
  "id",
  "name",
  "email",
  "role",
  "project",
  "password_hash",
  "totp_sealed",
  "totp_key_id",
  "totp_confirmed",
  "totp_step",
  "recovery_hashes",
  "oidc_issuer",
  "oidc_subject",
  "disabled_at",
  "created_at",
  "updated_at",
  "last_sign_in_at",
];

const SELECT = `SELECT ${COLUMNS.join(", ")} FROM signalbox.people`;

const INSERT = `INSERT INTO signalbox.people (${COLUMNS.join(", ")})
  VALUES (${COLUMNS.map((_, index) => `$${index + 1}`).join(", ")})`;

const SESSION = `
  SELECT ${COLUMNS.map((column) => `people.${column}`).join(", ")}, session.hash, session.person_id, session.method,
    session.created_at AS opened_at, session.seen_at, session.expires_at
  FROM signalbox.sessions AS session JOIN signalbox.people ON people.id = session.person_id
  WHERE session.hash = $1 AND session.ended_at IS NULL`;

/** In the order of COLUMNS. */
function valuesOf(row: PersonRow): unknown[] {
  const { totp, oidc } = row;
  return [
    row.id,
    row.name,
    row.email ?? null,
    row.role,
    row.project,
    row.passwordHash ?? null,
    totp?.sealed ?? null,
    totp?.keyId ?? null,
    totp?.confirmed ?? false,
    totp?.step ?? null,
    [...row.recoveryHashes],
    oidc?.issuer ?? null,
    oidc?.subject ?? null,
    dateOf(row.disabledAt),
    dateOf(row.createdAt),
    dateOf(row.updatedAt),
    dateOf(row.lastSignInAt),
  ];
}

function dateOf(epochMs: number | undefined): Date | null {
  return epochMs === undefined ? null : new Date(epochMs);
}

const personSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    email: z.string().nullable(),
    role: z.string(),
    project: z.string(),
    password_hash: z.string().nullable(),
    totp_sealed: z.string().nullable(),
    totp_key_id: z.string().nullable(),
    totp_confirmed: z.boolean(),
    totp_step: z.coerce.number().nullable(),
    recovery_hashes: z.array(z.string()),
    oidc_issuer: z.string().nullable(),
    oidc_subject: z.string().nullable(),
    disabled_at: z.date().nullable(),
    created_at: z.date(),
    updated_at: z.date(),
    last_sign_in_at: z.date().nullable(),
  })
  .transform((row): PersonRow => ({
    id: row.id,
    name: row.name,
    ...(row.email !== null && { email: row.email }),
    role: row.role,
    project: row.project,
    ...(row.password_hash !== null && { passwordHash: row.password_hash }),
    ...(row.totp_sealed !== null && {
      totp: {
        sealed: row.totp_sealed,
        keyId: row.totp_key_id ?? "",
        confirmed: row.totp_confirmed,
        ...(row.totp_step !== null && { step: row.totp_step }),
      },
    }),
    recoveryHashes: row.recovery_hashes,
    ...(row.oidc_issuer !== null &&
      row.oidc_subject !== null && {
        oidc: { issuer: row.oidc_issuer, subject: row.oidc_subject },
      }),
    ...(row.disabled_at !== null && { disabledAt: row.disabled_at.getTime() }),
    createdAt: row.created_at.getTime(),
    updatedAt: row.updated_at.getTime(),
    ...(row.last_sign_in_at !== null && { lastSignInAt: row.last_sign_in_at.getTime() }),
  }));

const sessionSchema = z
  .object({
    hash: z.string(),
    person_id: z.string(),
    method: z.enum(["password", "oidc"]),
    opened_at: z.date(),
    seen_at: z.date(),
    expires_at: z.date(),
  })
  .transform((row): SessionRow => ({
    hash: row.hash,
    personId: row.person_id,
    method: row.method,
    createdAt: row.opened_at.getTime(),
    seenAt: row.seen_at.getTime(),
    expiresAt: row.expires_at.getTime(),
  }));

function all({ rows }: QueryResult): PersonRow[] {
  return rows.map((row) => personSchema.parse(row));
}

function one(result: QueryResult): PersonRow | undefined {
  return all(result)[0];
}
