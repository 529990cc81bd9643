import type { Database } from "./database.ts";

/** A column `sealed` of a table. The names are constants of the product; they become SQL as they are. */
export interface SealedColumn {
  readonly table: string;
  /** The primary key; text, all of it. */
  readonly key: readonly string[];
  /** Other columns that are wanted of a row. */
  readonly with?: readonly string[];
  /** The column with the id of the encryption key; without one it is read from the sealed text. */
  readonly keyId?: string;
}

export interface SealedValue {
  readonly key: readonly string[];
  readonly sealed: string;
  /** The other columns, in their order. */
  readonly with: readonly (string | null)[];
}

export interface SealedAnew {
  readonly key: readonly string[];
  readonly was: string;
  readonly sealed: string;
}

export interface SealedValues {
  /** Those that another key has sealed, by primary key, those after `after`, `limit` at the most. */
  otherwise(
    column: SealedColumn,
    keyId: string,
    after: readonly string[] | undefined,
    limit: number,
  ): Promise<readonly SealedValue[]>;
  /** Keeps values sealed anew, all in one transaction; the keys of those that had not changed meanwhile, and so were kept. */
  reseal(
    column: SealedColumn,
    values: readonly SealedAnew[],
    keyId: string,
  ): Promise<readonly (readonly string[])[]>;
  /** How many another key has sealed. */
  count(column: SealedColumn, keyId: string): Promise<number>;
}

/** The sealed values of a database, whatever they are of. */
export function sealedValuesIn(database: Database): SealedValues {
  return {
    async otherwise(column, keyId, after, limit): Promise<readonly SealedValue[]> {
      const { table, key, with: others = [] } = column;
      const place = key.map((_, index) => `($2::text[])[${index + 1}]`);
      const { rows } = await database.query(
        `SELECT ARRAY[${key.join(", ")}] AS key, sealed, ARRAY[${others.join(", ")}]::text[] AS others
         FROM ${table}
         WHERE ${keyIdOf(column)} <> $1 AND ($2::text[] IS NULL OR (${key.join(", ")}) > (${place.join(", ")}))
         ORDER BY ${key.join(", ")} LIMIT $3`,
        [keyId, after ?? null, limit],
      );
      return rows.map((row) => ({ key: row.key, sealed: row.sealed, with: row.others }));
    },
    // A row that is being changed is waited for and compared as it is then. All gateways lock rows in one order.
    async reseal(column, values, keyId): Promise<readonly (readonly string[])[]> {
      const { table, key } = column;
      const same = key.map((name) => `kept.${name} = anew.${name}`).join(" AND ");
      const given = [...key, "was", "sealed"];
      const arrays = given.map((_, index) => `$${index + 1}::text[]`).join(", ");
      const ownKeyId = column.keyId === undefined ? "" : `, ${column.keyId} = $${given.length + 1}`;
      const { rows } = await database.query(
        `WITH anew AS (SELECT * FROM unnest(${arrays}) AS given (${given.join(", ")})),
           locked AS (
             SELECT anew.* FROM ${table} AS kept JOIN anew ON ${same}
             ORDER BY ${key.map((name) => `kept.${name}`).join(", ")} FOR UPDATE OF kept)
         UPDATE ${table} AS kept SET sealed = anew.sealed${ownKeyId} FROM locked AS anew
         WHERE ${same} AND kept.sealed = anew.was
         RETURNING ARRAY[${key.map((name) => `kept.${name}`).join(", ")}] AS key`,
        [
          ...key.map((_, index) => values.map((value) => value.key[index])),
          values.map(({ was }) => was),
          values.map(({ sealed }) => sealed),
          ...(column.keyId === undefined ? [] : [keyId]),
        ],
      );
      return rows.map((row) => row.key);
    },
    async count(column, keyId): Promise<number> {
      const { rows } = await database.query(
        `SELECT count(*) FROM ${column.table} WHERE ${keyIdOf(column)} <> $1`,
        [keyId],
      );
      return Number(rows[0]?.count);
    },
  };
}

// v1.<id of the key>.<nonce>.<text>
function keyIdOf({ keyId }: SealedColumn): string {
  return keyId ?? "split_part(sealed, '.', 2)";
}
