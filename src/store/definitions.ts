// Servers, bundles, projects and roles are kept alike: a name and the options their modules parse.
import { eq, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import type { bundles, projects, roles, servers } from "./schema.ts";

export interface StoredDefinition {
  readonly name: string;
  /** As they were put; to be parsed by the schema of their module. */
  readonly options: unknown;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface Definitions {
  /** All of them, by name. */
  list(): Promise<StoredDefinition[]>;
  /** Creates or replaces. */
  put(name: string, options: object): Promise<void>;
  /** False when there was none. */
  remove(name: string): Promise<boolean>;
}

/** The definitions of one table. */
export function definitionsIn(
  database: Database,
  table: typeof servers | typeof bundles | typeof projects | typeof roles,
): Definitions {
  return {
    list(): Promise<StoredDefinition[]> {
      return database.run(async (db) => {
        const rows = await db.select().from(table).orderBy(table.name);
        return rows.map((row) => ({
          name: row.name,
          options: row.options,
          createdAt: row.createdAt.getTime(),
          updatedAt: row.updatedAt.getTime(),
        }));
      });
    },
    async put(name, options): Promise<void> {
      await database.run((db) =>
        db
          .insert(table)
          .values({ name, options })
          .onConflictDoUpdate({ target: table.name, set: { options, updatedAt: sql`now()` } }),
      );
    },
    remove(name): Promise<boolean> {
      return database.run(async (db) => {
        const removed = await db.delete(table).where(eq(table.name, name));
        return (removed.rowCount ?? 0) > 0;
      });
    },
  };
}
