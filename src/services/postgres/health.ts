import { z } from "zod";
import { databaseName, databaseOf, reads, tool } from "./runtime.ts";

const health = z.object({
  database: z.string(),
  status: z.enum(["ok", "degraded", "down"]),
  message: z.string().optional(),
  latencyMs: z.number().optional(),
  version: z.string().optional(),
  standby: z.boolean().optional().describe("Whether it is a copy that cannot be written"),
});

export const healthTool = tool({
  name: "health",
  title: "Health",
  description: "Asks each database whether it answers, and how quickly.",
  input: z.object({ database: databaseName }),
  output: z.object({ databases: z.array(health) }),
  annotations: reads,
  cost: 60,
  handler: async ({ database: name }, { runtime, signal }) => {
    const all = name === undefined ? [...runtime.databases.values()] : [databaseOf(runtime, name)];
    const databases = await Promise.all(
      all.map(async (database) => {
        const { details, ...status } = await database.health(signal);
        return health.parse({ database: database.name, ...status, ...details });
      }),
    );
    return { databases };
  },
});
