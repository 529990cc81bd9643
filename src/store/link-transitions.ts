// The changes of state of links, a few a minute at the most: written many at a time by one statement.
import { and, desc, eq, lt } from "drizzle-orm";
import type { Database } from "./database.ts";
import { linkTransitions } from "./schema.ts";

/** One change of a link's state. `at` is epoch milliseconds. */
export interface LinkTransitionRow {
  readonly at: number;
  readonly server: string;
  readonly endpoint: string;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  readonly code?: string;
}

export interface LinkTransitions {
  append(rows: readonly LinkTransitionRow[]): Promise<void>;
  /** The newest first; `limit` from 1 to 1,000, `before` in epoch milliseconds. */
  recent(filter: { server: string; limit: number; before?: number }): Promise<LinkTransitionRow[]>;
  /** Deletes those before a time (epoch milliseconds). */
  prune(before: number): Promise<void>;
}

const LIMIT_MAX = 1000;

/** The link transitions of a database. */
export function linkTransitionsIn(database: Database): LinkTransitions {
  return {
    async append(rows): Promise<void> {
      if (rows.length === 0) return;
      await database.run(async (db) => {
        await db.insert(linkTransitions).values(rows.map(toStored));
      });
    },
    recent({ server, limit, before }): Promise<LinkTransitionRow[]> {
      return database.run(async (db) => {
        const rows = await db
          .select()
          .from(linkTransitions)
          .where(
            and(
              eq(linkTransitions.server, server),
              before === undefined ? undefined : lt(linkTransitions.at, new Date(before)),
            ),
          )
          .orderBy(desc(linkTransitions.at), desc(linkTransitions.id))
          .limit(Math.min(Math.max(1, Math.trunc(limit)), LIMIT_MAX));
        return rows.map(toRow);
      });
    },
    async prune(before): Promise<void> {
      await database.run(async (db) => {
        await db.delete(linkTransitions).where(lt(linkTransitions.at, new Date(before)));
      });
    },
  };
}

function toStored(row: LinkTransitionRow): typeof linkTransitions.$inferInsert {
  const { at, server, endpoint, from, to, reason, code } = row;
  return {
    at: new Date(at),
    server,
    endpoint,
    fromState: from,
    toState: to,
    // A server may have a say in it, and one row that PostgreSQL cannot hold would cost all that are written with it.
    reason: reason.toWellFormed().replaceAll("\0", "\uFFFD"),
    code: code ?? null,
  };
}

function toRow(stored: typeof linkTransitions.$inferSelect): LinkTransitionRow {
  const { at, server, endpoint, fromState, toState, reason, code } = stored;
  return {
    at: at.getTime(),
    server,
    endpoint,
    from: fromState,
    to: toState,
    reason,
    ...(code === null ? {} : { code }),
  };
}
