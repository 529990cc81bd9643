import { eq, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { settings } from "./schema.ts";

/** Small values the product keeps for itself. */
export interface Settings {
  /** Undefined when it was never set. */
  get(name: string): Promise<unknown>;
  /** Sets a JSON value. */
  set(name: string, value: unknown): Promise<void>;
}

/** The settings of a database. */
export function settingsIn(database: Database): Settings {
  return {
    get(name): Promise<unknown> {
      return database.run(async (db) => {
        const [row] = await db.select().from(settings).where(eq(settings.name, name));
        return row?.value;
      });
    },
    async set(name, value): Promise<void> {
      await database.run((db) =>
        db
          .insert(settings)
          .values({ name, value })
          .onConflictDoUpdate({ target: settings.name, set: { value, updatedAt: sql`now()` } }),
      );
    },
  };
}
