import { z } from "zod";
import { reads, tool } from "./runtime.ts";

export const listDatabases = tool({
  name: "list_databases",
  title: "Databases",
  description:
    "Lists the databases that can be used here, by the names that the other tools take. Start here.",
  input: z.object({}),
  output: z.object({
    databases: z.array(
      z.object({
        name: z.string(),
        writes: z.boolean().describe("Whether execute and transaction may be used with it"),
      }),
    ),
  }),
  annotations: reads,
  cost: 50,
  handler: (_input, { runtime }) => ({
    databases: [...runtime.databases.values()].map(({ name, writes }) => ({ name, writes })),
  }),
});
