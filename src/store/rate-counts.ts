// What several gateways have admitted, by the clock of the database, so that theirs need not agree. A telling adds and
// reads in one statement; rows are taken in the order of their names, so that two tellings never wait for each other in a ring.
import { z } from "zod";
import type { Database } from "./database.ts";

/** What one gateway has admitted under a limit since it last told. */
export interface RateTold {
  readonly name: string;
  readonly sliceMs: number;
  /** How many of the last slices are counted. */
  readonly slices: number;
  readonly admitted: number;
}

export interface RateCounts {
  /** Adds; for each in turn, what all have admitted, by age in slices, the youngest first. */
  settle(told: readonly RateTold[]): Promise<number[][]>;
  /** Says that a gateway is there; how many there are. Drops what is no longer counted. */
  beat(gateway: string): Promise<number>;
}

/** The common counts of a database. */
export function rateCountsIn(database: Database): RateCounts {
  return {
    async settle(told): Promise<number[][]> {
      const { rows } = await database.query(settleStatement, [
        told.map(({ name }) => name),
        told.map(({ sliceMs }) => sliceMs),
        told.map(({ slices }) => slices),
        told.map(({ admitted }) => admitted),
      ]);
      const byName = new Map(told.map(({ name }) => [name, [] as number[]]));
      for (const { name, age, admitted } of counted.parse(rows)) {
        const counts = byName.get(name);
        if (counts !== undefined) counts[age] = admitted;
      }
      return told.map(({ name }) => byName.get(name) ?? []);
    },
    async beat(gateway): Promise<number> {
      const { rows } = await database.query(beatStatement, [gateway]);
      await database.query("DELETE FROM signalbox.rate_counts WHERE expires_at < now()");
      await database.query(
        "DELETE FROM signalbox.rate_gateways WHERE seen_at < now() - interval '1 hour'",
      );
      return Number(rows[0]?.gateways ?? 1);
    },
  };
}

const counted = z.array(
  z.object({ name: z.string(), age: z.coerce.number(), admitted: z.coerce.number() }),
);

const settleStatement = `
  WITH told AS MATERIALIZED (
    SELECT name, slice_ms, slices, admitted,
           floor(extract(epoch FROM clock_timestamp()) * 1000 / slice_ms)::bigint AS slice
    FROM unnest($1::text[], $2::float8[], $3::int[], $4::bigint[]) AS t (name, slice_ms, slices, admitted)
  ), added AS (
    INSERT INTO signalbox.rate_counts AS counts (name, slice, admitted, expires_at)
    SELECT name, slice, admitted, to_timestamp((slice + slices + 1) * slice_ms / 1000) FROM told ORDER BY name
    ON CONFLICT (name, slice) DO UPDATE SET admitted = counts.admitted + excluded.admitted
    RETURNING name, admitted
  )
  SELECT name, 0 AS age, admitted FROM added
  UNION ALL
  SELECT told.name, told.slice - counts.slice, counts.admitted
  FROM told JOIN signalbox.rate_counts AS counts
    ON counts.name = told.name AND counts.slice < told.slice AND counts.slice > told.slice - told.slices`;

/** A gateway that has not been heard of for three of its beats is gone. */
const beatStatement = `
  WITH seen AS (
    INSERT INTO signalbox.rate_gateways AS gateways (id, seen_at) VALUES ($1, now())
    ON CONFLICT (id) DO UPDATE SET seen_at = now()
    RETURNING id
  )
  SELECT 1 + count(*) AS gateways FROM signalbox.rate_gateways
  WHERE id <> $1 AND seen_at > now() - interval '15 seconds'`;
