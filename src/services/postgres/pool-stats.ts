import { z } from "zod";
import { databaseName, databaseOf, reads, tool } from "./runtime.ts";

const figures = z.object({
  database: z.string(),
  open: z.int().describe("Connections that are open"),
  idle: z.int(),
  inUse: z.int(),
  waiting: z.int().describe("Calls that wait for a connection"),
  min: z.int(),
  max: z.int(),
  statements: z.int().describe("Run since the service was opened"),
  failures: z.int(),
  meanMs: z.number().describe("Of those that went well"),
});

export const poolStats = tool({
  name: "pool_stats",
  title: "Connections",
  description:
    "Tells how the connections to each database are used: open, idle, waiting, and how long statements took.",
  input: z.object({ database: databaseName }),
  output: z.object({ pools: z.array(figures) }),
  annotations: reads,
  cost: 80,
  handler: ({ database: name }, { runtime }) => {
    const all = name === undefined ? [...runtime.databases.values()] : [databaseOf(runtime, name)];
    return { pools: all.map((database) => ({ ...database.status })) };
  },
});
