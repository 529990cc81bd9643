import { sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { keyLimits } from "./schema.ts";

/** Limits of single keys, as a person wrote them. */
export interface KeyLimitRows {
  list(): Promise<{ keyId: string; limits: unknown }[]>;
  put(keyId: string, limits: object): Promise<void>;
  remove(keyId: string): Promise<void>;
}

/** The limits of keys in a database. */
export function keyLimitsIn(database: Database): KeyLimitRows {
  return {
    list(): Promise<{ keyId: string; limits: unknown }[]> {
      return database.run((db) =>
        db.select({ keyId: keyLimits.keyId, limits: keyLimits.limits }).from(keyLimits),
      );
    },
    async put(keyId, limits): Promise<void> {
      await database.run((db) =>
        db
          .insert(keyLimits)
          .values({ keyId, limits })
          .onConflictDoUpdate({
            target: keyLimits.keyId,
            set: { limits, updatedAt: sql`now()` },
          }),
      );
    },
    async remove(keyId): Promise<void> {
      await database.run((db) => db.delete(keyLimits).where(sql`${keyLimits.keyId} = ${keyId}`));
    },
  };
}
