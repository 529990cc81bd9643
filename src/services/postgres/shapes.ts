import { z } from "zod";

/** Rows as every tool gives them. */
export const rowsShape = z.object({
  database: z.string(),
  columns: z
    .array(z.object({ name: z.string(), type: z.string().describe("As PostgreSQL calls it") }))
    .readonly(),
  rows: z.array(z.record(z.string(), z.unknown())).readonly(),
  cut: z
    .enum(["no", "rows", "bytes"])
    .describe("Whether there are more: the bound on rows or on bytes was met"),
});
