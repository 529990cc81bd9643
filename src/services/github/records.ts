// What tools answer: a few fields of GitHub's own records, which are twenty times as long. Each schema reads what GitHub
// sends; beside it stand the form that is answered and the way from one to the other.
import { z } from "zod";

const login = z.object({ login: z.string() }).nullish();
const time = z.string();
const who = z.string().nullable().describe("Login; null for a deleted account");

export const repositorySent = z.object({
  full_name: z.string(),
  description: z.string().nullish(),
  private: z.boolean(),
  visibility: z.string().optional(),
  archived: z.boolean().optional(),
  fork: z.boolean(),
  default_branch: z.string().optional(),
  language: z.string().nullish(),
  stargazers_count: z.int().optional(),
  open_issues_count: z.int().optional(),
  html_url: z.string(),
  pushed_at: time.nullish(),
});
export const repositoryRecord = z.object({
  name: z.string().describe("owner/name"),
  description: z.string().nullable(),
  private: z.boolean(),
  archived: z.boolean(),
  fork: z.boolean(),
  defaultBranch: z.string().nullable(),
  language: z.string().nullable(),
  stars: z.int(),
  openIssues: z.int().describe("Pull requests included"),
  url: z.string(),
  pushedAt: z.string().nullable(),
});
export function repositoryOf(
  sent: z.output<typeof repositorySent>,
): z.output<typeof repositoryRecord> {
  return {
    name: sent.full_name,
    description: sent.description ?? null,
    private: sent.private,
    archived: sent.archived ?? false,
    fork: sent.fork,
    defaultBranch: sent.default_branch ?? null,
    language: sent.language ?? null,
    stars: sent.stargazers_count ?? 0,
    openIssues: sent.open_issues_count ?? 0,
    url: sent.html_url,
    pushedAt: sent.pushed_at ?? null,
  };
}

const side = z.object({ ref: z.string(), sha: z.string(), label: z.string().nullish() });
export const pullRequestSent = z.object({
  number: z.int(),
  title: z.string(),
  state: z.enum(["open", "closed"]),
  draft: z.boolean().optional(),
  body: z.string().nullish(),
  user: login,
  head: side,
  base: side,
  labels: z.array(z.object({ name: z.string() })).default([]),
  merged_at: time.nullish(),
  created_at: time,
  updated_at: time,
  html_url: z.string(),
});
export const pullRequestRecord = z.object({
  number: z.int(),
  title: z.string(),
  state: z.enum(["open", "closed", "merged"]),
  draft: z.boolean(),
  author: who,
  head: z.string().describe("Branch with the changes, as owner:branch"),
  headSha: z.string().describe("Its last commit: `expectedSha` of merge_pull_request"),
  base: z.string().describe("Branch they go into"),
  labels: z.array(z.string()),
  url: z.string(),
  createdAt: z.string(),
  updatedAt: z.string(),
});
export function pullRequestOf(
  sent: z.output<typeof pullRequestSent>,
): z.output<typeof pullRequestRecord> {
  return {
    number: sent.number,
    title: sent.title,
    state: sent.merged_at === null || sent.merged_at === undefined ? sent.state : "merged",
    draft: sent.draft ?? false,
    author: sent.user?.login ?? null,
    head: sent.head.label ?? sent.head.ref,
    headSha: sent.head.sha,
    base: sent.base.ref,
    labels: sent.labels.map(({ name }) => name),
    url: sent.html_url,
    createdAt: sent.created_at,
    updatedAt: sent.updated_at,
  };
}

export const issueSent = z.object({
  number: z.int(),
  title: z.string(),
  state: z.string(),
  state_reason: z.string().nullish(),
  body: z.string().nullish(),
  user: login,
  labels: z.array(z.union([z.string(), z.object({ name: z.string().optional() })])),
  assignees: z.array(z.object({ login: z.string() })).nullish(),
  comments: z.int(),
  created_at: time,
  updated_at: time,
  html_url: z.string(),
  pull_request: z.unknown().optional(),
});
export const issueRecord = z.object({
  number: z.int(),
  title: z.string(),
  state: z.string().describe("open or closed"),
  stateReason: z.string().nullable().describe("completed, not_planned, reopened or duplicate"),
  author: who,
  labels: z.array(z.string()),
  assignees: z.array(z.string()),
  comments: z.int().describe("How many"),
  url: z.string(),
  createdAt: z.string(),
  updatedAt: z.string(),
});
export function issueOf(sent: z.output<typeof issueSent>): z.output<typeof issueRecord> {
  return {
    number: sent.number,
    title: sent.title,
    state: sent.state,
    stateReason: sent.state_reason ?? null,
    author: sent.user?.login ?? null,
    labels: sent.labels.map((label) => (typeof label === "string" ? label : (label.name ?? ""))),
    assignees: (sent.assignees ?? []).map((one) => one.login),
    comments: sent.comments,
    url: sent.html_url,
    createdAt: sent.created_at,
    updatedAt: sent.updated_at,
  };
}

export const commentSent = z.object({
  id: z.int(),
  user: login,
  body: z.string().nullish(),
  created_at: time,
  html_url: z.string(),
});
export const commentRecord = z.object({
  id: z.int(),
  author: who,
  body: z.string(),
  url: z.string(),
  createdAt: z.string(),
});
export function commentOf(sent: z.output<typeof commentSent>): z.output<typeof commentRecord> {
  return {
    id: sent.id,
    author: sent.user?.login ?? null,
    body: clipped(sent.body),
    url: sent.html_url,
    createdAt: sent.created_at,
  };
}

export const reviewSent = z.object({
  id: z.int(),
  user: login,
  state: z.string(),
  body: z.string().nullish(),
  submitted_at: time.nullish(),
  html_url: z.string(),
});
export const reviewRecord = z.object({
  id: z.int(),
  author: who,
  state: z.string().describe("APPROVED, CHANGES_REQUESTED, COMMENTED, DISMISSED or PENDING"),
  body: z.string(),
  url: z.string(),
});
export function reviewOf(sent: z.output<typeof reviewSent>): z.output<typeof reviewRecord> {
  return {
    id: sent.id,
    author: sent.user?.login ?? null,
    state: sent.state,
    body: clipped(sent.body),
    url: sent.html_url,
  };
}

export const commitSent = z.object({
  sha: z.string(),
  html_url: z.string(),
  commit: z.object({
    message: z.string(),
    author: z.object({ name: z.string().optional(), date: z.string().optional() }).nullish(),
  }),
  author: z.object({ login: z.string().optional() }).nullish(),
});
export const commitRecord = z.object({
  sha: z.string(),
  message: z.string(),
  author: z.string().nullable().describe("Login, or the name in the commit"),
  date: z.string().nullable(),
  url: z.string(),
});
export function commitOf(sent: z.output<typeof commitSent>): z.output<typeof commitRecord> {
  return {
    sha: sent.sha,
    message: clipped(sent.commit.message, 2_000),
    author: sent.author?.login ?? sent.commit.author?.name ?? null,
    date: sent.commit.author?.date ?? null,
    url: sent.html_url,
  };
}

export const workflowRunSent = z.object({
  id: z.int(),
  name: z.string().nullish(),
  display_title: z.string(),
  event: z.string(),
  status: z.string().nullable(),
  conclusion: z.string().nullable(),
  head_branch: z.string().nullable(),
  head_sha: z.string(),
  run_number: z.int(),
  run_attempt: z.int().optional(),
  html_url: z.string(),
  created_at: time,
  updated_at: time,
});
export const workflowRunRecord = z.object({
  id: z.int(),
  workflow: z.string().nullable(),
  title: z.string(),
  event: z.string(),
  status: z.string().nullable().describe("queued, in_progress, completed, ..."),
  conclusion: z
    .string()
    .nullable()
    .describe("success, failure, cancelled, ...; null until it is over"),
  branch: z.string().nullable(),
  sha: z.string(),
  run: z.int().describe("Number of the run"),
  attempt: z.int(),
  url: z.string(),
  createdAt: z.string(),
  updatedAt: z.string(),
});
export function workflowRunOf(
  sent: z.output<typeof workflowRunSent>,
): z.output<typeof workflowRunRecord> {
  return {
    id: sent.id,
    workflow: sent.name ?? null,
    title: sent.display_title,
    event: sent.event,
    status: sent.status,
    conclusion: sent.conclusion,
    branch: sent.head_branch,
    sha: sent.head_sha,
    run: sent.run_number,
    attempt: sent.run_attempt ?? 1,
    url: sent.html_url,
    createdAt: sent.created_at,
    updatedAt: sent.updated_at,
  };
}

/** Text of people, cut where it would fill a model's context. */
export function clipped(text: string | null | undefined, charactersMax = 20_000): string {
  if (text === null || text === undefined) return "";
  if (text.length <= charactersMax) return text;
  return `${text.slice(0, charactersMax)}\n[${text.length - charactersMax} characters more]`;
}
