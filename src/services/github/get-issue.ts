import { z } from "zod";
import { number, reads, repositoryInput } from "./inputs.ts";
import {
  clipped,
  commentOf,
  commentRecord,
  commentSent,
  issueOf,
  issueRecord,
  issueSent,
} from "./records.ts";
import { tool } from "./runtime.ts";

export const getIssue = tool({
  name: "get_issue",
  title: "An issue",
  description:
    "Tells about one issue with its text, and on request its first 100 comments. Works for the conversation of a pull request too.",
  input: z.object({
    ...repositoryInput,
    number,
    comments: z.boolean().default(false).describe("Whether to tell the comments as well"),
  }),
  output: z.object({
    ...issueRecord.shape,
    body: z.string(),
    conversation: z.array(commentRecord).optional(),
  }),
  annotations: reads,
  cost: 1_000,
  handler: async ({ number: at, comments, ...named }, { runtime, signal }) => {
    const path = `${runtime.repository(named).path}/issues/${at}`;
    const sent = await runtime.api.ask({ path, signal }, issueSent);
    const about = { ...issueOf(sent), body: clipped(sent.body) };
    if (!comments) return about;
    const said = await runtime.api.ask(
      { path: `${path}/comments`, query: { per_page: 100 }, signal },
      z.array(commentSent),
    );
    return { ...about, conversation: said.map(commentOf) };
  },
});
