// The changes of state of links, a few a minute at the most: written many at a time by one statement.
import { and, desc, eq, lt, sql, type SQL } from "drizzle-orm";
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
      const texts = JSON.stringify(rows.map(toStored));
      await database.run(async (db) => {
        await db.execute(appendAll(texts));
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

// One parameter whatever their number: a statement that names every value of five hundred rows takes long to build.
function appendAll(texts: string): SQL {
  return sql`
    insert into signalbox.link_transitions (at, server, endpoint, from_state, to_state, reason, code)
    select at::timestamptz, server, endpoint, from_state, to_state, reason, code
    from jsonb_to_recordset(${texts}::jsonb)
      as row (at text, server text, endpoint text, from_state text, to_state text, reason text, code text)`;
}

function toStored(row: LinkTransitionRow): Record<string, string | undefined> {
  const { at, server, endpoint, from, to, reason, code } = row;
  return {
    at: new Date(at).toISOString(),
    server,
    endpoint,
    from_state: from,
    to_state: to,
    // A server may have a say in it, and one row that PostgreSQL cannot hold would cost all that are written with it.
    reason: reason.toWellFormed().replaceAll("\0", "\uFFFD"),
    code,
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
