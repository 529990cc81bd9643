import { path, ToolError } from "@signalbox/kit";
import { z } from "zod";
import { nextPage, pageInput, reads } from "./inputs.ts";
import { repositoryOf, repositoryRecord, repositorySent } from "./records.ts";
import { tool } from "./runtime.ts";

export const listRepos = tool({
  name: "list_repos",
  title: "Repositories",
  description:
    "Lists repositories of an organisation or a person; with neither, those that the App is installed on, or that the token's owner may see.",
  input: z.object({
    org: z.string().min(1).optional().describe("An organisation's login"),
    user: z.string().min(1).optional().describe("A person's login"),
    type: z
      .enum(["all", "owner", "member", "public", "private", "forks", "sources"])
      .optional()
      .describe(
        "For an organisation: all, public, private, forks, sources, member. For a person: all, owner, member. Without either: all, owner, public, private, member (not for an App)",
      ),
    ...pageInput,
  }),
  output: z.object({ repositories: z.array(repositoryRecord), nextPage }),
  annotations: reads,
  examples: [{ input: { org: "acme" } }],
  cost: 3_000,
  handler: async ({ org, user, type, ...page }, { runtime: { api, asApp }, signal }) => {
    if (org !== undefined && user !== undefined)
      throw new ToolError("Give either `org` or `user`.", { code: "ARGUMENTS_INVALID" });
    const place =
      org !== undefined
        ? path`/orgs/${org}/repos`
        : user !== undefined
          ? path`/users/${user}/repos`
          : asApp
            ? "/installation/repositories"
            : "/user/repos";
    // An installation's list cannot be narrowed.
    const query = place === "/installation/repositories" ? {} : { type };
    const { items, nextPage: next } = await api.list({ path: place, query, signal }, page, sent);
    return {
      repositories: items.map(repositoryOf),
      ...(next !== undefined && { nextPage: next }),
    };
  },
});

const sent = z.union([
  z.array(repositorySent),
  z.object({ repositories: z.array(repositorySent) }).transform(({ repositories }) => repositories),
]);
