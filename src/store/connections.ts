// OAuth connections. Everything secret arrives sealed. Times are the database's where gateways have to agree on them.
import type { QueryResult } from "pg";
import { z } from "zod";
import type { Database } from "./database.ts";

/** A connection as kept. Times are epoch milliseconds. */
export interface ConnectionRow {
  readonly server: string;
  readonly subject: string;
  readonly issuer: string;
  readonly scopes: readonly string[];
  readonly sealed: string;
  /** Grows with every change. */
  readonly version: number;
  readonly expiresAt?: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

type NewConnection = Omit<ConnectionRow, "version" | "createdAt" | "updatedAt">;

/** A consent under way. */
export interface FlowRow {
  readonly stateHash: string;
  readonly nonce: string;
  readonly sealed: string;
  readonly expiresAt: number;
}

export interface Connections {
  get(server: string, subject: string): Promise<ConnectionRow | undefined>;
  /** Of one subject, or all of them. */
  list(subject?: string): Promise<readonly ConnectionRow[]>;
  newestSubject(server: string): Promise<string | undefined>;
  /** A new connection, in place of what is there, whoever holds the lease; its version. */
  put(row: NewConnection): Promise<number>;
  /** The same connection with other tokens; its new version, undefined where `version` is not the one that is there. */
  renew(row: NewConnection, version: number): Promise<number | undefined>;
  /** With a version, only that one. */
  remove(server: string, subject: string, version?: number): Promise<ConnectionRow | undefined>;
  removeOfSubjects(subjects: readonly string[]): Promise<readonly ConnectionRow[]>;
  /** False where the version is another one, or somebody has the lease. */
  lease(server: string, subject: string, version: number, leaseMs: number): Promise<boolean>;
  release(server: string, subject: string): Promise<void>;
  client(issuer: string, redirectUri: string): Promise<string | undefined>;
  putClient(issuer: string, redirectUri: string, sealed: string): Promise<void>;
  removeClient(issuer: string, redirectUri: string): Promise<void>;
  /** False where its nonce was used before, or as many as permitted are under way. */
  putFlow(flow: FlowRow): Promise<boolean>;
  takeFlow(stateHash: string): Promise<FlowRow | undefined>;
}

/** The OAuth connections of a database. */
export function connectionsIn(database: Database): Connections {
  return {
    async get(server, subject): Promise<ConnectionRow | undefined> {
      const where = "WHERE server = $1 AND subject = $2";
      return one(
        await database.query(`SELECT ${columns} FROM ${tokens} ${where}`, [server, subject]),
      );
    },
    async list(subject): Promise<readonly ConnectionRow[]> {
      const where = "WHERE $1::text IS NULL OR subject = $1 ORDER BY server, subject LIMIT 10000";
      return all(
        await database.query(`SELECT ${columns} FROM ${tokens} ${where}`, [subject ?? null]),
      );
    },
    async newestSubject(server): Promise<string | undefined> {
      const { rows } = await database.query(
        `SELECT subject FROM ${tokens} WHERE server = $1 ORDER BY created_at DESC, subject LIMIT 1`,
        [server],
      );
      return rows.length === 0 ? undefined : String(rows[0]?.subject);
    },
    async put(row): Promise<number> {
      const { rows } = await database.query(putStatement, valuesOf(row));
      return Number(rows[0]?.version);
    },
    async renew(row, version): Promise<number | undefined> {
      const { rows } = await database.query(renewStatement, [...valuesOf(row), version]);
      return rows.length === 0 ? undefined : Number(rows[0]?.version);
    },
    async remove(server, subject, version): Promise<ConnectionRow | undefined> {
      const where = "server = $1 AND subject = $2 AND ($3::bigint IS NULL OR version = $3)";
      const text = `DELETE FROM ${tokens} WHERE ${where} RETURNING ${columns}`;
      return one(await database.query(text, [server, subject, version ?? null]));
    },
    async removeOfSubjects(subjects): Promise<readonly ConnectionRow[]> {
      const text = `DELETE FROM ${tokens} WHERE subject = ANY($1) RETURNING ${columns}`;
      return all(await database.query(text, [[...subjects]]));
    },
    async lease(server, subject, version, leaseMs): Promise<boolean> {
      const { rowCount } = await database.query(
        `UPDATE ${tokens} SET lease_until = now() + $4 * interval '1 millisecond'
         WHERE server = $1 AND subject = $2 AND version = $3
           AND (lease_until IS NULL OR lease_until < now())`,
        [server, subject, version, leaseMs],
      );
      return rowCount === 1;
    },
    async release(server, subject): Promise<void> {
      const text = `UPDATE ${tokens} SET lease_until = NULL WHERE server = $1 AND subject = $2`;
      await database.query(text, [server, subject]);
    },
    async client(issuer, redirectUri): Promise<string | undefined> {
      const { rows } = await database.query(
        "SELECT sealed FROM signalbox.oauth_clients WHERE issuer = $1 AND redirect_uri = $2",
        [issuer, redirectUri],
      );
      return rows.length === 0 ? undefined : String(rows[0]?.sealed);
    },
    async putClient(issuer, redirectUri, sealed): Promise<void> {
      await database.query(
        `INSERT INTO signalbox.oauth_clients (issuer, redirect_uri, sealed) VALUES ($1, $2, $3)
         ON CONFLICT (issuer, redirect_uri) DO UPDATE SET sealed = $3, updated_at = now()`,
        [issuer, redirectUri, sealed],
      );
    },
    async removeClient(issuer, redirectUri): Promise<void> {
      await database.query(
        "DELETE FROM signalbox.oauth_clients WHERE issuer = $1 AND redirect_uri = $2",
        [issuer, redirectUri],
      );
    },
    async putFlow({ stateHash, nonce, sealed, expiresAt }): Promise<boolean> {
      await database.query("DELETE FROM signalbox.oauth_flows WHERE expires_at < now()");
      const { rowCount } = await database.query(
        `INSERT INTO signalbox.oauth_flows (state_hash, nonce, sealed, expires_at)
         SELECT $1, $2, $3, $4 WHERE (SELECT count(*) FROM signalbox.oauth_flows) < ${FLOWS_MAX}
         ON CONFLICT DO NOTHING`,
        [stateHash, nonce, sealed, new Date(expiresAt)],
      );
      return rowCount === 1;
    },
    async takeFlow(stateHash): Promise<FlowRow | undefined> {
      const { rows } = await database.query(
        `DELETE FROM signalbox.oauth_flows WHERE state_hash = $1
         RETURNING state_hash, nonce, sealed, expires_at`,
        [stateHash],
      );
      return rows.length === 0 ? undefined : flowSchema.parse(rows[0]);
    },
  };
}

/** Consents under way at once, of all gateways on the database. */
const FLOWS_MAX = 10_000;

const tokens = "signalbox.oauth_tokens";
const columns =
  "server, subject, issuer, scopes, sealed, version, expires_at, created_at, updated_at";

const putStatement = `
  INSERT INTO ${tokens} (server, subject, issuer, scopes, sealed, expires_at)
  VALUES ($1, $2, $3, $4, $5, $6)
  ON CONFLICT (server, subject) DO UPDATE
  SET issuer = $3, scopes = $4, sealed = $5, expires_at = $6, lease_until = NULL,
      version = nextval('signalbox.oauth_versions'), created_at = now(), updated_at = now()
  RETURNING version`;

const renewStatement = `
  UPDATE ${tokens}
  SET issuer = $3, scopes = $4, sealed = $5, expires_at = $6, lease_until = NULL,
      version = nextval('signalbox.oauth_versions'), updated_at = now()
  WHERE server = $1 AND subject = $2 AND version = $7
  RETURNING version`;

function valuesOf({
  server,
  subject,
  issuer,
  scopes,
  sealed,
  expiresAt,
}: NewConnection): unknown[] {
  const expires = expiresAt === undefined ? null : new Date(expiresAt);
  return [server, subject, issuer, [...scopes], sealed, expires];
}

const connectionSchema = z
  .object({
    server: z.string(),
    subject: z.string(),
    issuer: z.string(),
    scopes: z.array(z.string()),
    sealed: z.string(),
    version: z.coerce.number(),
    expires_at: z.date().nullable(),
    created_at: z.date(),
    updated_at: z.date(),
  })
  .transform(({ expires_at, created_at, updated_at, ...row }): ConnectionRow => ({
    ...row,
    ...(expires_at !== null && { expiresAt: expires_at.getTime() }),
    createdAt: created_at.getTime(),
    updatedAt: updated_at.getTime(),
  }));

const flowSchema = z
  .object({ state_hash: z.string(), nonce: z.string(), sealed: z.string(), expires_at: z.date() })
  .transform(({ state_hash, expires_at, ...row }): FlowRow => ({
    ...row,
    stateHash: state_hash,
    expiresAt: expires_at.getTime(),
  }));

function all({ rows }: QueryResult): ConnectionRow[] {
  return rows.map((row) => connectionSchema.parse(row));
}

function one(result: QueryResult): ConnectionRow | undefined {
  return all(result)[0];
}
