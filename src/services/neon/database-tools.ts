import { ServiceError } from "@signalbox/kit";
import { z } from "zod";
import { shownAddress } from "./databases.ts";
import { inDatabase } from "./place.ts";
import { tool } from "./runtime.ts";
import { onlyResult } from "./sql-client.ts";

export const getConnectionString = tool({
  name: "get_connection_string",
  title: "Connection string",
  description:
    "Tells the address of a database. Its password is never shown: *** stands for it; Neon's console has it.",
  input: z.object({
    ...inDatabase,
    pooled: z.boolean().default(true).describe("The address of the connection pooler"),
  }),
  output: z.object({
    connectionString: z.string().describe("postgresql://role:***@host/database"),
    host: z.string(),
    database: z.string(),
    role: z.string(),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 100,
  handler: async ({ pooled, ...place }, { runtime: { databases }, signal }) => {
    const uri = await databases.addressOf(place, signal, pooled);
    const { hostname, pathname, username } = new URL(uri);
    return {
      connectionString: shownAddress(uri),
      host: hostname,
      database: decodeURIComponent(pathname.slice(1)),
      role: decodeURIComponent(username),
    };
  },
});

export const checkDatabase = tool({
  name: "check_database",
  title: "Check a database",
  description: "Tells whether a database answers, how fast, and which PostgreSQL it is.",
  input: z.object(inDatabase),
  output: z.object({
    healthy: z.boolean(),
    durationMs: z.number(),
    version: z.string().optional(),
    problem: z.string().optional().describe("Why it is not healthy"),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 80,
  handler: async (place, { runtime: { sql, clock }, signal }) => {
    const beganMs = clock.monotonicMs();
    const durationMs = () => Math.round(clock.monotonicMs() - beganMs);
    try {
      const results = await sql.run(place, ["select version() as version"], {
        readOnly: true,
        signal,
      });
      const { version } = z.object({ version: z.string() }).parse(onlyResult(results).rows[0]);
      return { healthy: true, durationMs: durationMs(), version };
    } catch (error) {
      // That it does not answer is what was asked; what the caller can correct is not.
      if (!(error instanceof ServiceError)) throw error;
      return { healthy: false, durationMs: durationMs(), problem: error.message };
    }
  },
});

export const getConfig = tool({
  name: "get_config",
  title: "Settings",
  description:
    "Tells which project, branch and database calls mean that name none, and the limits that hold.",
  input: z.object({}),
  output: z.object({
    projectId: z.string().optional(),
    branchId: z.string().optional(),
    database: z.string().optional(),
    databaseUrl: z.string().optional().describe("Without its password"),
    maxConnections: z.number(),
    timeoutMs: z.number(),
  }),
  annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
  cost: 80,
  handler: (_input, { runtime: { options } }) => ({
    ...(options.project_id !== undefined && { projectId: options.project_id }),
    ...(options.branch_id !== undefined && { branchId: options.branch_id }),
    ...(options.database !== undefined && { database: options.database }),
    ...(options.database_url !== undefined && { databaseUrl: shownAddress(options.database_url) }),
    maxConnections: options.max_connections,
    timeoutMs: options.timeout,
  }),
});
