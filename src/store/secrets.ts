import { eq } from "drizzle-orm";
import type { Database } from "./database.ts";
import { secrets } from "./schema.ts";

/** A secret as kept: sealed, never as it is. Times are epoch milliseconds. */
export interface SecretRow {
  id: string;
  project: string;
  /** The principal whose own it is; absent for the project's. */
  owner?: string;
  name: string;
  sealed: string;
  /** The key it is sealed with. */
  keyId: string;
  createdAt: number;
  createdBy: string;
  updatedAt: number;
  updatedBy: string;
  lastUsedAt?: number;
}

export interface Secrets {
  /** All of them, by project and name. */
  list(): Promise<SecretRow[]>;
  /** Creates, or replaces the one of this id. Throws CONFLICT where another one has its project, owner and name. */
  put(row: SecretRow): Promise<void>;
  /** False when there was none. */
  remove(id: string): Promise<boolean>;
  /** Records last uses; an earlier time never replaces a later one. */
  touch(lastUsed: ReadonlyMap<string, number>): Promise<void>;
}

/** The secrets of a database. */
export function secretsIn(database: Database): Secrets {
  return {
    list(): Promise<SecretRow[]> {
      return database.run(async (db) => {
        const rows = await db
          .select()
          .from(secrets)
          .orderBy(secrets.project, secrets.name, secrets.id);
        return rows.map(toSecretRow);
      });
    },
    async put(row): Promise<void> {
      const { sealed, keyId, updatedAt, updatedBy } = row;
      await database.run((db) =>
        db
          .insert(secrets)
          .values(fromSecretRow(row))
          .onConflictDoUpdate({
            target: secrets.id,
            set: { sealed, keyId, updatedAt: new Date(updatedAt), updatedBy },
          }),
      );
    },
    remove(id): Promise<boolean> {
      return database.run(async (db) => {
        const removed = await db.delete(secrets).where(eq(secrets.id, id));
        return (removed.rowCount ?? 0) > 0;
      });
    },
    async touch(lastUsed): Promise<void> {
      if (lastUsed.size === 0) return;
      await database.query(touchStatement, [[...lastUsed.keys()], [...lastUsed.values()]]);
    },
  };
}

const touchStatement = `
  UPDATE signalbox.secrets AS secret
  SET last_used_at = greatest(secret.last_used_at, to_timestamp(used.at / 1000.0))
  FROM unnest($1::text[], $2::float8[]) AS used (id, at)
  WHERE secret.id = used.id`;

function toSecretRow(row: typeof secrets.$inferSelect): SecretRow {
  const { owner, createdAt, updatedAt, lastUsedAt, ...rest } = row;
  return {
    ...rest,
    ...(owner === null ? {} : { owner }),
    createdAt: createdAt.getTime(),
    updatedAt: updatedAt.getTime(),
    ...(lastUsedAt === null ? {} : { lastUsedAt: lastUsedAt.getTime() }),
  };
}

function fromSecretRow(row: SecretRow): typeof secrets.$inferInsert {
  const { owner, createdAt, updatedAt, lastUsedAt, ...rest } = row;
  return {
    ...rest,
    owner: owner ?? null,
    createdAt: new Date(createdAt),
    updatedAt: new Date(updatedAt),
    lastUsedAt: lastUsedAt === undefined ? null : new Date(lastUsedAt),
  };
}
