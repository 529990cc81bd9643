import { and, eq, isNull } from "drizzle-orm";
import { z } from "zod";
import type { Database } from "./database.ts";
import { apiKeys } from "./schema.ts";

/** A key as kept: never the key itself, only its hash. Times are epoch milliseconds. */
export interface KeyRow {
  id: string;
  name: string;
  role: string;
  /** "*" for every project. */
  project: string;
  bundles: readonly string[] | "all";
  /** As they were put; to be parsed by the schema of their module. */
  rules?: unknown;
  /** SHA-256 of the whole key, hex. */
  hash: string;
  /** The first characters, to tell keys apart by. */
  prefix: string;
  createdAt: number;
  expiresAt?: number;
  revokedAt?: number;
  lastUsedAt?: number;
}

export interface Keys {
  /** All of them, revoked ones too, oldest first. */
  list(): Promise<KeyRow[]>;
  /** Throws CONFLICT when the id or the hash exists. */
  insert(row: KeyRow): Promise<void>;
  /** False when there is no such key or it was revoked before. */
  revoke(id: string, at: number): Promise<boolean>;
  /** Records last uses; an earlier time never replaces a later one. */
  touch(lastUsed: ReadonlyMap<string, number>): Promise<void>;
}

/** The API keys of a database. */
export function keysIn(database: Database): Keys {
  return {
    list(): Promise<KeyRow[]> {
      return database.run(async (db) => {
        const rows = await db.select().from(apiKeys).orderBy(apiKeys.createdAt, apiKeys.id);
        return rows.map(toKeyRow);
      });
    },
    async insert(row): Promise<void> {
      await database.run((db) => db.insert(apiKeys).values(fromKeyRow(row)));
    },
    revoke(id, at): Promise<boolean> {
      return database.run(async (db) => {
        const revoked = await db
          .update(apiKeys)
          .set({ revokedAt: new Date(at) })
          .where(and(eq(apiKeys.id, id), isNull(apiKeys.revokedAt)));
        return (revoked.rowCount ?? 0) > 0;
      });
    },
    async touch(lastUsed): Promise<void> {
      if (lastUsed.size === 0) return;
      await database.query(touchStatement, [[...lastUsed.keys()], [...lastUsed.values()]]);
    },
  };
}

const touchStatement = `
  UPDATE signalbox.api_keys AS key
  SET last_used_at = greatest(key.last_used_at, to_timestamp(used.at / 1000.0))
  FROM unnest($1::text[], $2::float8[]) AS used (id, at)
  WHERE key.id = used.id`;

const bundlesSchema = z.union([z.literal("all"), z.array(z.string())]);

function toKeyRow(row: typeof apiKeys.$inferSelect): KeyRow {
  const { id, name, role, project, rules, hash, prefix } = row;
  const { createdAt, expiresAt, revokedAt, lastUsedAt } = row;
  return {
    id,
    name,
    role,
    project,
    ...(rules === null ? {} : { rules }),
    bundles: bundlesSchema.parse(row.bundles),
    hash,
    prefix,
    createdAt: createdAt.getTime(),
    ...(expiresAt === null ? {} : { expiresAt: expiresAt.getTime() }),
    ...(revokedAt === null ? {} : { revokedAt: revokedAt.getTime() }),
    ...(lastUsedAt === null ? {} : { lastUsedAt: lastUsedAt.getTime() }),
  };
}

function fromKeyRow(row: KeyRow): typeof apiKeys.$inferInsert {
  const { expiresAt, revokedAt, lastUsedAt } = row;
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    project: row.project,
    rules: row.rules ?? null,
    bundles: row.bundles,
    hash: row.hash,
    prefix: row.prefix,
    createdAt: new Date(row.createdAt),
    expiresAt: expiresAt === undefined ? null : new Date(expiresAt),
    revokedAt: revokedAt === undefined ? null : new Date(revokedAt),
    lastUsedAt: lastUsedAt === undefined ? null : new Date(lastUsedAt),
  };
}
