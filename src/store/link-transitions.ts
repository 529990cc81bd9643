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
  /** How long each endpoint of a server was up until `now` (epoch milliseconds), by what is stored. */
  uptime(server: string, now: number): Promise<LinkUptimeRow[]>;
  /** Deletes those before a time (epoch milliseconds). */
  prune(before: number): Promise<void>;
}

/**
 * The share of the time in which an endpoint was wanted that it was up, 0 to 1: connected or degraded, and not failing. Time
 * in which it was idle, drained or not known counts as neither; undefined where there is no other.
 */
export interface LinkUptimeRow {
  readonly endpoint: string;
  readonly day?: number;
  readonly week?: number;
  readonly month?: number;
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
    uptime(server, now): Promise<LinkUptimeRow[]> {
      return database.run(async (db) => {
        const { rows } = await db.execute<UptimeColumns>(uptimeOf(server, now));
        return rows.map(({ endpoint, day, week, month }) => ({
          endpoint,
          ...(day !== null && { day }),
          ...(week !== null && { week }),
          ...(month !== null && { month }),
        }));
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

interface UptimeColumns extends Record<string, unknown> {
  readonly endpoint: string;
  readonly day: number | null;
  readonly week: number | null;
  readonly month: number | null;
}

// Each state lasts until the next row of its endpoint. Where that row begins in another state the gateway was gone in between
// (or two gateways wrote in turns), and how long the state lasted is not known.
function uptimeOf(server: string, now: number): SQL {
  const until = sql`${new Date(now).toISOString()}::timestamptz`;
  return sql`
    with spell as (
      select endpoint, to_state, at as began,
        lead(at, 1, ${until}) over next_one as ended,
        lead(from_state, 1, to_state) over next_one as left_as
      from signalbox.link_transitions
      where server = ${server} and at <= ${until}
      window next_one as (partition by endpoint order by at, id)
    ),
    span (name, since) as (
      values ('day', ${until} - interval '1 day'),
        ('week', ${until} - interval '7 days'),
        ('month', ${until} - interval '30 days')
    ),
    share as (
      select endpoint, name,
        sum(extract(epoch from ended - greatest(began, since)))
          filter (where to_state in ('connected', 'degraded'))::float8 as up,
        sum(extract(epoch from ended - greatest(began, since)))::float8 as wanted
      from spell join span on ended > since
      where left_as = to_state
        and to_state in ('connected', 'degraded', 'reconnecting', 'error', 'needs_auth')
      group by endpoint, name
    )
    select endpoint,
      max(coalesce(up, 0) / nullif(wanted, 0)) filter (where name = 'day') as day,
      max(coalesce(up, 0) / nullif(wanted, 0)) filter (where name = 'week') as week,
      max(coalesce(up, 0) / nullif(wanted, 0)) filter (where name = 'month') as month
    from share group by endpoint order by endpoint`;
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
