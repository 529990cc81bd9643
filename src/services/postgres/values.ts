// How values of PostgreSQL become JSON: what a number of JSON holds exactly is one, everything else stays the text that the database
// wrote, so that nothing is rounded and no date is moved to another zone.
import { types } from "pg";

const { builtins } = types;

/** The parsers of a query's values, for the driver. */
export const valueTypes = {
  getTypeParser: (oid: number): ((text: string) => unknown) => parsers.get(oid) ?? asText,
};

/** The name of a column's type where it is one of PostgreSQL's own; its number for others. */
export function typeName(oid: number): string {
  return names.get(oid) ?? String(oid);
}

const asText = (text: string): unknown => text;

// Beyond what a double holds exactly, digits would be lost.
const asNumber = (text: string): unknown => {
  const number = Number(text);
  return Number.isSafeInteger(number) || String(number) === text ? number : text;
};

const asJson = (text: string): unknown => JSON.parse(text);

const parsers: ReadonlyMap<number, (text: string) => unknown> = new Map([
  [builtins.BOOL, (text: string): unknown => text === "t"],
  [builtins.INT2, asNumber],
  [builtins.INT4, asNumber],
  [builtins.INT8, asNumber],
  [builtins.OID, asNumber],
  [builtins.FLOAT4, asNumber],
  [builtins.FLOAT8, asNumber],
  [builtins.JSON, asJson],
  [builtins.JSONB, asJson],
]);

const names: ReadonlyMap<number, string> = new Map(
  Object.entries(builtins).map(([name, oid]) => [oid, name.toLowerCase()]),
);
