import { defineSettings, duration, secret } from "@signalbox/kit";
import { z } from "zod";

const database = z.strictObject({
  url: secret("postgres://user:password@host:port/database").optional(),
  password: secret("Fills or replaces the one in the URL").optional(),
  writes: z
    .boolean()
    .default(false)
    .describe("Whether execute and transaction may be used with it"),
  functions: z
    .array(z.string().regex(/^[^\s]{1,127}$/))
    .max(200)
    .default([])
    .describe("Functions of its own that may be called by query although they are volatile"),
});

/** `[services.postgres]`. */
export const postgresSettings = defineSettings({
  options: z.strictObject({
    databases: z
      .record(
        z
          .string()
          .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/, "must be a name: letters, digits, _ and -"),
        database,
      )
      .default({}),
    pool_min: z
      .int()
      .min(0)
      .max(100)
      .default(2)
      .describe("Connections to each database that stay open"),
    pool_max: z.int().min(1).max(500).default(10).describe("Connections to each database at most"),
    idle_timeout: duration
      .default(10_000)
      .describe("An unused connection beyond those is closed after this"),
    connect_timeout: duration.default(10_000).describe("The longest wait for a connection"),
    query_timeout: duration.default(10_000).describe("The longest statement"),
    rows_max: z.int().min(1).max(100_000).default(1_000).describe("Rows of an answer at most"),
    bytes_max: z
      .int()
      .min(1_024)
      .max(64 * 1024 * 1024)
      .default(1024 * 1024)
      .describe("Bytes of an answer's rows at most"),
  }),
  env: [
    { name: "POSTGRES_<NAME>_URL", path: (chosen) => ["databases", nameOf(chosen), "url"] },
    {
      name: "POSTGRES_<NAME>_PASSWORD",
      path: (chosen) => ["databases", nameOf(chosen), "password"],
    },
    {
      name: "POSTGRES_<NAME>_WRITES",
      path: (chosen) => ["databases", nameOf(chosen), "writes"],
      kind: "boolean",
    },
    { name: "DB_POOL_MIN", path: ["pool_min"], kind: "number" },
    { name: "DB_POOL_MAX", path: ["pool_max"], kind: "number" },
    { name: "DB_IDLE_TIMEOUT_MS", path: ["idle_timeout"], kind: "number" },
    { name: "DB_QUERY_TIMEOUT_MS", path: ["query_timeout"], kind: "number" },
  ],
  missing: ({ databases }) =>
    Object.values(databases).some(({ url }) => url !== undefined) ? [] : ["POSTGRES_<NAME>_URL"],
});

export type PostgresOptions = z.output<typeof postgresSettings.options>;

const knownNames: Readonly<Record<string, string>> = {
  KA: "kids-ascension-db",
  OL: "ozean-licht-db",
};

/** The name of a database of which a variable's name has the chosen part. */
function nameOf(chosen: string): string {
  return knownNames[chosen] ?? chosen.toLowerCase().replaceAll("_", "-");
}
