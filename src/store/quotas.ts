// Calls of a day or a month. One statement for each reservation: it counts what was used in any case, grants what the
// quota leaves, and both at once however many gateways ask.
import { and, eq, inArray, lt, or, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { quotaUsage } from "./schema.ts";

export interface QuotaAsk {
  readonly subject: string;
  readonly period: "day" | "month";
  /** Epoch milliseconds. */
  readonly startsAt: number;
  /** Calls that count in any case; below zero for those that are given back. */
  readonly used: number;
  readonly wanted: number;
  readonly quota: number;
}

/** How much of a period is used and reserved. */
export interface QuotaUsage {
  readonly subject: string;
  readonly period: "day" | "month";
  /** Epoch milliseconds. */
  readonly startsAt: number;
  readonly used: number;
}

export interface Quotas {
  /** Reserves; in the order of what was asked. */
  reserve(asks: readonly QuotaAsk[]): Promise<{ granted: number; used: number }[]>;
  /** What is used in the periods that began then; of some subjects, or of all, at most 1,000. */
  usage(filter: {
    dayStartsAt: number;
    monthStartsAt: number;
    subjects?: readonly string[];
  }): Promise<QuotaUsage[]>;
  /** Deletes periods that began before a time (epoch milliseconds). */
  prune(before: number): Promise<void>;
}

const ROWS_MAX = 1_000;

/** The quotas of a database. */
export function quotasIn(database: Database): Quotas {
  return {
    async reserve(asks): Promise<{ granted: number; used: number }[]> {
      const answers: { granted: number; used: number }[] = [];
      await database.onOneConnection(async (client) => {
        await client.query("BEGIN");
        try {
          for (const place of inOrder(asks)) {
            const ask = asks[place];
            if (ask === undefined) continue;
            const { subject, period, startsAt, used, wanted, quota } = ask;
            const values = [subject, period, startsAt, used, wanted, quota];
            const { rows } = await client.query(reserveStatement, values);
            answers[place] = { granted: Number(rows[0]?.granted), used: Number(rows[0]?.used) };
          }
          await client.query("COMMIT");
        } catch (error) {
          await client.query("ROLLBACK");
          throw error;
        }
      });
      return answers;
    },
    usage({ dayStartsAt, monthStartsAt, subjects }): Promise<QuotaUsage[]> {
      return database.run(async (db) => {
        const rows = await db
          .select()
          .from(quotaUsage)
          .where(
            and(
              or(
                and(eq(quotaUsage.period, "day"), eq(quotaUsage.startsAt, new Date(dayStartsAt))),
                and(
                  eq(quotaUsage.period, "month"),
                  eq(quotaUsage.startsAt, new Date(monthStartsAt)),
                ),
              ),
              subjects === undefined ? undefined : inArray(quotaUsage.subject, [...subjects]),
            ),
          )
          .orderBy(sql`${quotaUsage.used} DESC`, quotaUsage.subject, quotaUsage.period)
          .limit(ROWS_MAX);
        return rows.map(({ subject, period, startsAt, used }) => ({
          subject,
          period,
          startsAt: startsAt.getTime(),
          used,
        }));
      });
    },
    async prune(before): Promise<void> {
      await database.run((db) =>
        db.delete(quotaUsage).where(lt(quotaUsage.startsAt, new Date(before))),
      );
    },
  };
}

// The same rows in the same order in every gateway, so that no two of them wait for each other in a ring.
function inOrder(asks: readonly QuotaAsk[]): number[] {
  const nameOf = (place: number): string => `${asks[place]?.subject} ${asks[place]?.period}`;
  return [...asks.keys()].toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

const reserveStatement = `
  INSERT INTO signalbox.quota_usage AS usage (subject, period, starts_at, used, granted)
  SELECT $1, $2, to_timestamp($3::float8 / 1000), greatest(0, $4::bigint) + granted, granted
  FROM (SELECT greatest(0, least($5::bigint, $6::bigint - greatest(0, $4::bigint))) AS granted) AS new
  ON CONFLICT (subject, period, starts_at) DO UPDATE SET
    granted = greatest(0, least($5::bigint, $6::bigint - usage.used - $4::bigint)),
    used = greatest(0, usage.used + $4::bigint) + greatest(0, least($5::bigint, $6::bigint - usage.used - $4::bigint))
  RETURNING granted, used`;
