import {
  ToolError,
  toolsOf,
  type ServiceContext,
  type ServiceHealth,
  type ServiceRuntime,
} from "@signalbox/kit";
import { z } from "zod";
import { Database } from "./database.ts";
import { loadParser } from "./read-rules.ts";
import type { PostgresOptions } from "./settings.ts";

/** The databases by their names. */
export interface Postgres extends ServiceRuntime {
  readonly databases: ReadonlyMap<string, Database>;
  readonly rowsMax: number;
}

/** `defineTool` for this service. */
export const tool = toolsOf<Postgres>();

/** The input by which every tool names a database. */
export const databaseName = z
  .string()
  .min(1)
  .optional()
  .describe("Name of the database, as list_databases gives it; may be left out where there is one");

/** Of what every tool here but those that write may be assumed. */
export const reads = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
} as const;

/** Parameters of a statement, `$1` and on. */
export const parameters = z
  .array(
    z.union([
      z.string(),
      z.number(),
      z.boolean(),
      z.null(),
      z.array(z.unknown()),
      z.looseObject({}),
    ]),
  )
  .max(1_000)
  .default([])
  .describe("Values for $1, $2, ...; an object is given as JSON, a list as an array");

/** Opens no connection: a pool does so when it is asked. */
export async function connect(
  options: PostgresOptions,
  { clock, log }: ServiceContext,
): Promise<Postgres> {
  await loadParser();
  const databases = new Map(
    Object.entries(options.databases).flatMap(([name, { url, password, writes, functions }]) => {
      if (url === undefined) return [];
      const connectionString = withPassword(name, url, password);
      const database = new Database(
        {
          name,
          connectionString,
          writes,
          functions,
          poolMin: options.pool_min,
          poolMax: options.pool_max,
          idleMs: options.idle_timeout,
          connectMs: options.connect_timeout,
          queryMs: options.query_timeout,
          bytesMax: options.bytes_max,
        },
        { clock, log },
      );
      return [[name, database] as const];
    }),
  );
  return {
    databases,
    rowsMax: options.rows_max,
    health: (signal) => healthOf(databases, signal),
    pools: () => [...databases.values()].map(({ name, status }) => ({ ...status, name })),
    close: async () => {
      await Promise.all([...databases.values()].map((database) => database.close()));
    },
  };
}

/** The database of that name, or the only one. Throws ToolError (NOT_FOUND) with the names there are. */
export function databaseOf({ databases }: Postgres, name: string | undefined): Database {
  const [only, ...others] = databases.values();
  const found = name === undefined && others.length === 0 ? only : databases.get(name ?? "");
  if (found !== undefined) return found;
  const names = [...databases.keys()].join(", ");
  throw new ToolError(
    name === undefined
      ? `Say which database: ${names}.`
      : `There is no database "${name.slice(0, 63)}"; there are ${names}.`,
    { code: "NOT_FOUND" },
  );
}

async function healthOf(
  databases: ReadonlyMap<string, Database>,
  signal: AbortSignal,
): Promise<ServiceHealth> {
  const each = await Promise.all(
    [...databases].map(async ([name, database]) => [name, await database.health(signal)] as const),
  );
  const down = each.filter(([, { status }]) => status !== "ok");
  const details = Object.fromEntries(each);
  if (down.length === 0) return { status: "ok", details };
  return {
    status: down.length === each.length ? "down" : "degraded",
    message: down.map(([name, { message = "" }]) => `${name}: ${message}`).join("; "),
    details,
  };
}

function withPassword(name: string, text: string, password: string | undefined): string {
  const url = URL.parse(text);
  if (url === null || !/^postgres(ql)?:$/.test(url.protocol))
    throw new ToolError(
      `The URL of the database "${name}" is none: it must be postgres://user:password@host:port/database.`,
      { code: "CONFIG_INVALID" },
    );
  if (password !== undefined) url.password = encodeURIComponent(password);
  return url.href;
}
