import { z } from "zod";
import { orFound } from "./github-api.ts";
import { adds, repositoryInput } from "./inputs.ts";
import { issueOf, issueRecord, issueSent } from "./records.ts";
import { tool } from "./runtime.ts";

export const createIssue = tool({
  name: "create_issue",
  title: "Create an issue",
  description: "Opens an issue.",
  input: z.object({
    ...repositoryInput,
    title: z.string().min(1).max(256),
    body: z.string().max(65_536).default("").describe("Markdown"),
    labels: z.array(z.string().min(1)).max(100).default([]),
    assignees: z.array(z.string().min(1)).max(10).default([]).describe("Logins"),
  }),
  output: issueRecord,
  annotations: adds,
  examples: [{ input: { repo: "acme/site", title: "The login fails", labels: ["bug"] } }],
  cost: 150,
  handler: async ({ owner, repo, ...json }, { runtime, signal }) => {
    const { api } = runtime;
    const path = `${runtime.repository({ owner, repo }).path}/issues`;
    // Clocks may differ by a minute.
    const begun = new Date(api.clock.now() - 60_000).toISOString();
    const make = (): Promise<z.output<typeof issueSent>> =>
      api.change({ method: "POST", path, json, signal }, issueSent);
    const find = async (): Promise<z.output<typeof issueSent> | undefined> => {
      const query = { state: "all", since: begun, sort: "created", direction: "desc" };
      const recent = await api.ask({ path, query, signal }, z.array(issueSent));
      return recent.find(
        ({ title, body, created_at }) =>
          title === json.title &&
          (body ?? "") === json.body &&
          Date.parse(created_at) >= Date.parse(begun),
      );
    };
    return issueOf(await orFound(make, find));
  },
});
