// GitHub's own records, as long as they are: most of it is addresses.

export interface FakeRepository {
  readonly id: number;
  readonly owner: string;
  readonly name: string;
  readonly organisation: boolean;
  readonly private: boolean;
  defaultBranch: string;
  readonly createdAt: string;
}

export interface FakeCommit {
  readonly sha: string;
  readonly message: string;
  readonly author: string;
  readonly date: string;
  readonly parents: readonly string[];
  readonly files: ReadonlyMap<string, string>;
}

export interface FakeIssue {
  readonly number: number;
  title: string;
  body: string;
  state: "open" | "closed";
  stateReason: string | null;
  labels: string[];
  assignees: string[];
  readonly author: string;
  readonly comments: { id: number; author: string; body: string; at: string }[];
  readonly createdAt: string;
  updatedAt: string;
  closedAt: string | null;
  /** Of a pull request. */
  readonly pull?: FakePull;
}

export interface FakePull {
  readonly head: string;
  base: string;
  readonly draft: boolean;
  /** Kept when the branch is gone. */
  headSha: string;
  mergedAt: string | null;
  mergeSha: string | null;
  readonly reviews: {
    id: number;
    author: string;
    state: string;
    body: string;
    sha: string;
    at: string;
  }[];
}

export interface FakeRun {
  readonly id: number;
  readonly workflowId: number;
  readonly name: string;
  readonly path: string;
  readonly branch: string;
  readonly sha: string;
  readonly number: number;
  attempt: number;
  status: "queued" | "in_progress" | "completed";
  conclusion: string | null;
  readonly at: string;
}

export const api = "https://api.github.com";
const web = "https://github.com";

export function userShape(login: string): Record<string, unknown> {
  const name = encodeURIComponent(login);
  const url = `${api}/users/${name}`;
  return {
    login,
    id: idOf(login),
    node_id: `U_${login}`,
    gravatar_id: "",
    type: login.endsWith("[bot]") ? "Bot" : "User",
    site_admin: false,
    url,
    html_url: `${web}/${name}`,
    avatar_url: `https://avatars.githubusercontent.com/${name}`,
    ...addresses(url, [
      "events",
      "followers",
      "following",
      "gists",
      "organizations",
      "received_events",
      "repos",
      "starred",
      "subscriptions",
    ]),
  };
}

export function repositoryShape(
  repository: FakeRepository,
  openIssues = 0,
): Record<string, unknown> {
  const { owner, name, defaultBranch, createdAt } = repository;
  const url = urlOf(repository);
  const page = `${web}/${owner}/${name}`;
  return {
    id: repository.id,
    node_id: `R_${repository.id}`,
    name,
    full_name: `${owner}/${name}`,
    owner: userShape(owner),
    private: repository.private,
    visibility: repository.private ? "private" : "public",
    description: `The ${name} of ${owner}`,
    fork: false,
    url,
    html_url: page,
    clone_url: `${page}.git`,
    git_url: `git://github.com/${owner}/${name}.git`,
    ssh_url: `git@github.com:${owner}/${name}.git`,
    svn_url: page,
    mirror_url: null,
    homepage: null,
    language: "TypeScript",
    license: null,
    default_branch: defaultBranch,
    archived: false,
    disabled: false,
    has_issues: true,
    has_projects: false,
    has_wiki: false,
    has_pages: false,
    has_downloads: true,
    has_discussions: false,
    size: 108,
    forks: 0,
    forks_count: 0,
    network_count: 0,
    stargazers_count: 3,
    subscribers_count: 1,
    watchers: 3,
    watchers_count: 3,
    open_issues: openIssues,
    open_issues_count: openIssues,
    created_at: createdAt,
    updated_at: createdAt,
    pushed_at: createdAt,
    ...addresses(url, [
      "archive",
      "assignees",
      "blobs",
      "branches",
      "collaborators",
      "comments",
      "commits",
      "compare",
      "contents",
      "contributors",
      "deployments",
      "downloads",
      "events",
      "forks",
      "git_commits",
      "git_refs",
      "git_tags",
      "hooks",
      "issue_comment",
      "issue_events",
      "issues",
      "keys",
      "labels",
      "languages",
      "merges",
      "milestones",
      "notifications",
      "pulls",
      "releases",
      "stargazers",
      "statuses",
      "subscribers",
      "subscription",
      "tags",
      "teams",
      "trees",
    ]),
  };
}

export function labelShape(repository: FakeRepository, name: string): Record<string, unknown> {
  return {
    id: idOf(name),
    node_id: `LA_${name}`,
    url: `${urlOf(repository)}/labels/${encodeURIComponent(name)}`,
    name,
    description: `Marks a ${name}`,
    color: "d73a4a",
    default: name === "bug",
  };
}

export function issueShape(repository: FakeRepository, issue: FakeIssue): Record<string, unknown> {
  const url = `${urlOf(repository)}/issues/${issue.number}`;
  const pull = `${urlOf(repository)}/pulls/${issue.number}`;
  return {
    id: 1_000 + issue.number,
    node_id: `I_${issue.number}`,
    number: issue.number,
    title: issue.title,
    body: issue.body,
    state: issue.state,
    ...(issue.stateReason !== null && { state_reason: issue.stateReason }),
    locked: false,
    user: userShape(issue.author),
    labels: issue.labels.map((name) => labelShape(repository, name)),
    assignee: issue.assignees[0] === undefined ? null : userShape(issue.assignees[0]),
    assignees: issue.assignees.map(userShape),
    milestone: null,
    comments: issue.comments.length,
    author_association: "MEMBER",
    created_at: issue.createdAt,
    updated_at: issue.updatedAt,
    closed_at: issue.closedAt,
    url,
    repository_url: urlOf(repository),
    html_url: pageOf(repository, issue),
    ...addresses(url, ["comments", "events", "labels"]),
    ...(issue.pull !== undefined && {
      pull_request: {
        url: pull,
        html_url: pageOf(repository, issue),
        diff_url: `${pageOf(repository, issue)}.diff`,
        patch_url: `${pageOf(repository, issue)}.patch`,
        merged_at: issue.pull.mergedAt,
      },
    }),
  };
}

export function pullShape(
  repository: FakeRepository,
  issue: FakeIssue,
  pull: FakePull,
  baseSha: string,
): Record<string, unknown> {
  const url = `${urlOf(repository)}/pulls/${issue.number}`;
  const issueUrl = `${urlOf(repository)}/issues/${issue.number}`;
  const {
    state_reason: _reason,
    pull_request: _pull,
    comments: _comments,
    ...rest
  } = issueShape(repository, issue);
  const side = (ref: string, sha: string): Record<string, unknown> => ({
    label: `${repository.owner}:${ref}`,
    ref,
    sha,
    user: userShape(repository.owner),
    repo: repositoryShape(repository),
  });
  const page = pageOf(repository, issue);
  return {
    ...rest,
    url,
    draft: pull.draft,
    head: side(pull.head, pull.headSha),
    base: side(pull.base, baseSha),
    merged_at: pull.mergedAt,
    merge_commit_sha: pull.mergeSha,
    auto_merge: null,
    requested_reviewers: [],
    requested_teams: [],
    issue_url: issueUrl,
    diff_url: `${page}.diff`,
    patch_url: `${page}.patch`,
    comments_url: `${issueUrl}/comments`,
    review_comment_url: `${url}/comments{/number}`,
    ...addresses(url, ["commits", "review_comments", "statuses"]),
    _links: Object.fromEntries(
      [
        "comments",
        "commits",
        "statuses",
        "html",
        "issue",
        "review_comments",
        "review_comment",
        "self",
      ].map((name) => [name, { href: `${url}/${name}` }]),
    ),
  };
}

export function commentShape(
  repository: FakeRepository,
  issue: FakeIssue,
  comment: FakeIssue["comments"][number],
): Record<string, unknown> {
  return {
    id: comment.id,
    node_id: `IC_${comment.id}`,
    url: `${urlOf(repository)}/issues/comments/${comment.id}`,
    html_url: `${pageOf(repository, issue)}#issuecomment-${comment.id}`,
    issue_url: `${urlOf(repository)}/issues/${issue.number}`,
    body: comment.body,
    user: userShape(comment.author),
    author_association: "MEMBER",
    created_at: comment.at,
    updated_at: comment.at,
  };
}

export function reviewShape(
  repository: FakeRepository,
  issue: FakeIssue,
  review: FakePull["reviews"][number],
): Record<string, unknown> {
  const page = `${pageOf(repository, issue)}#pullrequestreview-${review.id}`;
  const pull = `${urlOf(repository)}/pulls/${issue.number}`;
  return {
    id: review.id,
    node_id: `PRR_${review.id}`,
    user: userShape(review.author),
    body: review.body,
    state: review.state,
    html_url: page,
    pull_request_url: pull,
    author_association: "MEMBER",
    submitted_at: review.at,
    commit_id: review.sha,
    _links: { html: { href: page }, pull_request: { href: pull } },
  };
}

export function commitShape(
  repository: FakeRepository,
  commit: FakeCommit,
): Record<string, unknown> {
  const url = `${urlOf(repository)}/commits/${commit.sha}`;
  const person = { name: commit.author, email: `${commit.author}@example.com`, date: commit.date };
  return {
    sha: commit.sha,
    node_id: `C_${commit.sha}`,
    url,
    html_url: commitPage(repository, commit.sha),
    comments_url: `${url}/comments`,
    author: userShape(commit.author),
    committer: userShape(commit.author),
    parents: commit.parents.map((sha) => ({ sha, url: `${urlOf(repository)}/commits/${sha}` })),
    commit: {
      message: commit.message,
      author: person,
      committer: person,
      comment_count: 0,
      url,
      tree: { sha: commit.sha, url: `${urlOf(repository)}/git/trees/${commit.sha}` },
    },
  };
}

export function runShape(repository: FakeRepository, run: FakeRun): Record<string, unknown> {
  const url = `${urlOf(repository)}/actions/runs/${run.id}`;
  return {
    id: run.id,
    node_id: `WFR_${run.id}`,
    name: run.name,
    path: run.path,
    display_title: run.name,
    event: "workflow_dispatch",
    status: run.status,
    conclusion: run.conclusion,
    head_branch: run.branch,
    head_sha: run.sha,
    run_number: run.number,
    run_attempt: run.attempt,
    workflow_id: run.workflowId,
    pull_requests: [],
    created_at: run.at,
    updated_at: run.at,
    head_commit: null,
    repository: repositoryShape(repository),
    head_repository: repositoryShape(repository),
    url,
    html_url: `${web}/${repository.owner}/${repository.name}/actions/runs/${run.id}`,
    check_suite_url: `${urlOf(repository)}/check-suites/${run.id}`,
    workflow_url: `${urlOf(repository)}/actions/workflows/${run.workflowId}`,
    ...addresses(url, ["jobs", "logs", "cancel", "rerun", "artifacts"]),
  };
}

export function jobShape(repository: FakeRepository, run: FakeRun): Record<string, unknown> {
  const url = `${urlOf(repository)}/actions/jobs/${run.id}1`;
  const over = run.status === "completed";
  return {
    id: Number(`${run.id}1`),
    node_id: `J_${run.id}`,
    run_id: run.id,
    run_url: `${urlOf(repository)}/actions/runs/${run.id}`,
    run_attempt: run.attempt,
    workflow_name: run.name,
    name: "build",
    head_sha: run.sha,
    head_branch: run.branch,
    url,
    html_url: url,
    check_run_url: `${urlOf(repository)}/check-runs/${run.id}1`,
    status: run.status,
    conclusion: run.conclusion,
    created_at: run.at,
    started_at: run.at,
    completed_at: over ? run.at : null,
    labels: ["ubuntu-latest"],
    runner_id: null,
    runner_name: null,
    runner_group_id: null,
    runner_group_name: null,
    steps: ["Set up job", "Test"].map((name, index) => ({
      name,
      number: index + 1,
      status: run.status,
      conclusion: over && name === "Test" ? run.conclusion : over ? "success" : null,
    })),
  };
}

export function fileShape(
  repository: FakeRepository,
  file: { path: string; sha: string; text: string },
): Record<string, unknown> {
  const { path, sha, text } = file;
  const url = `${urlOf(repository)}/contents/${path}`;
  const links = {
    html_url: `${web}/${repository.owner}/${repository.name}/blob/${path}`,
    git_url: `${urlOf(repository)}/git/blobs/${sha}`,
  };
  return {
    type: "file",
    name: path.split("/").at(-1) ?? path,
    path,
    sha,
    size: Buffer.byteLength(text),
    encoding: "base64",
    content: Buffer.from(text).toString("base64").replaceAll(/.{60}/g, "$&\n"),
    url,
    download_url: `https://raw.githubusercontent.com/${path}`,
    ...links,
    _links: { self: url, html: links.html_url, git: links.git_url },
  };
}

export function commitPage({ owner, name }: FakeRepository, sha: string): string {
  return `${web}/${owner}/${name}/commit/${sha}`;
}

export function urlOf({ owner, name }: FakeRepository): string {
  return `${api}/repos/${owner}/${name}`;
}

function pageOf({ owner, name }: FakeRepository, issue: FakeIssue): string {
  return `${web}/${owner}/${name}/${issue.pull === undefined ? "issues" : "pull"}/${issue.number}`;
}

function addresses(url: string, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [`${name}_url`, `${url}/${name}`]));
}

function idOf(text: string): number {
  return Buffer.from(text).reduce((sum, byte) => (sum * 31 + byte) % 1_000_003, 7);
}
