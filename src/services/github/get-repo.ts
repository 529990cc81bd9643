import { z } from "zod";
import { reads, repositoryInput } from "./inputs.ts";
import { repositoryOf, repositoryRecord, repositorySent } from "./records.ts";
import { tool } from "./runtime.ts";

export const getRepo = tool({
  name: "get_repo",
  title: "A repository",
  description: "Tells about one repository: its default branch, visibility, language and counts.",
  input: z.object(repositoryInput),
  output: repositoryRecord,
  annotations: reads,
  examples: [{ input: { repo: "acme/site" } }],
  cost: 150,
  handler: async (named, { runtime, signal }) =>
    repositoryOf(
      await runtime.api.ask({ path: runtime.repository(named).path, signal }, repositorySent),
    ),
});
