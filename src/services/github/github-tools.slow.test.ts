import { fakeClock, jsonResponse, textOf } from "@signalbox/kit/testing";
import { expect, test } from "vitest";
import {
  appSettings,
  githubContract,
  hostedGithub,
  newGithub,
  type HostedGithub,
} from "./hosted-github.ts";
import { github } from "./index.ts";

const contract = await githubContract();

function hosted(...[settings, more]: Parameters<typeof hostedGithub>): HostedGithub {
  return hostedGithub(settings, { ...more, contract });
}

test("a GitHub App goes from its key to a merged pull request and an issue", async () => {
  const clock = fakeClock();
  const vendor = newGithub(clock, 1);
  const { host, seen } = hosted(appSettings, { vendor, clock });
  // Nobody may approve what they opened, so a person does.
  const reviewer = hosted({ pat: "ghp_mona", repository: "acme/site" }, { vendor, clock });

  await host.ask("create_branch", { name: "feature/login" });
  await host.ask("put_file", {
    path: "src/login.ts",
    content: "export {};\n",
    branch: "feature/login",
  });
  const opened = await host.ask("create_pull_request", {
    title: "Add the login",
    body: "As agreed",
    head: "feature/login",
  });
  expect(opened).toMatchObject({
    number: 1,
    state: "open",
    author: "signalbox[bot]",
    head: "acme:feature/login",
    base: "main",
  });
  const blocked = await host.call("merge_pull_request", { number: 1, method: "squash" });
  expect(textOf(blocked)).toContain("At least 1 approving review is required");
  const approval = await reviewer.host.ask("review_pull_request", { number: 1, event: "APPROVE" });
  expect(approval).toMatchObject({ author: "mona", state: "APPROVED" });
  const looked = await host.ask("get_pull_request", {
    number: 1,
    include: ["files", "checks", "reviews"],
  });
  expect(looked).toMatchObject({
    mergeableState: "clean",
    files: [{ path: "src/login.ts", status: "added", patch: expect.stringContaining("+export") }],
    checks: [{ name: "build", conclusion: "success" }],
    reviews: [{ author: "mona", state: "APPROVED" }],
  });
  const merged = await host.ask("merge_pull_request", {
    number: 1,
    method: "squash",
    expectedSha: Reflect.get(Object(looked), "headSha"),
  });
  expect(await host.ask("delete_branch", { name: "feature/login" })).toMatchObject({
    existed: true,
  });
  const { commits } = Object(await host.ask("list_commits", {}));
  expect(commits).toMatchObject([
    { sha: Reflect.get(Object(merged), "sha"), message: "Add the login (#1)" },
    { message: "First" },
  ]);
  expect(await host.ask("get_pull_request", { number: 1 })).toMatchObject({ state: "merged" });
  expect(
    await host.ask("create_issue", { title: "Tell people", labels: ["enhancement"] }),
  ).toMatchObject({ number: 2, state: "open", labels: ["enhancement"] });
  // One token for all of it, got with a JWT.
  expect(vendor.tokensMade).toBe(1);
  expect(seen.filter(({ headers }) => headers["authorization"] === "Bearer ghs_1")).toHaveLength(
    seen.length - 1,
  );
});

test("repositories are listed for an App, an organisation and a person, and found by name", async () => {
  const { host, seen } = hosted();
  const site = { name: "acme/site", defaultBranch: "main", private: false };
  expect(await host.ask("list_repos")).toMatchObject({ repositories: [site] });
  expect(await host.ask("list_repos", { org: "acme", type: "all" })).toMatchObject({
    repositories: [site],
  });
  expect(await host.ask("list_repos", { user: "acme" })).toMatchObject({ repositories: [site] });
  expect(await host.ask("search_repos", { query: "site" })).toMatchObject({ repositories: [site] });
  expect(await host.ask("get_repo", { owner: "acme", repo: "site" })).toMatchObject(site);
  expect(seen.map(({ url }) => url.pathname).slice(1)).toEqual([
    "/installation/repositories",
    "/orgs/acme/repos",
    "/users/acme/repos",
    "/search/repositories",
    "/repos/acme/site",
  ]);
  expect(textOf(await host.call("list_repos", { org: "a", user: "b" }))).toContain(
    "ARGUMENTS_INVALID",
  );
});

test("lists follow GitHub's links as far as they are asked to, and say where to go on", async () => {
  const { host, seen } = hosted();
  for (let at = 1; at <= 5; at++) await host.ask("create_issue", { title: `Issue ${at}` });
  const before = seen.length;
  const { issues, nextPage } = Object(await host.ask("list_issues", { perPage: 2, pages: 2 }));
  expect(issues.map((one: { number: number }) => one.number)).toEqual([5, 4, 3, 2]);
  expect(nextPage).toBe(3);
  expect(seen).toHaveLength(before + 2);
  expect(await host.ask("list_issues", { perPage: 2, page: nextPage })).toEqual({
    issues: [expect.objectContaining({ number: 1 })],
  });
});

test("branches are made from others and from commits, listed and deleted, the default one never", async () => {
  const { host } = hosted();
  const made = Object(await host.ask("create_branch", { name: "a/b", from: "main" }));
  expect(await host.ask("create_branch", { name: "c", from: made.sha })).toMatchObject({
    sha: made.sha,
  });
  expect(await host.ask("list_branches")).toEqual({
    branches: ["main", "a/b", "c"].map((name) => ({
      name,
      sha: made.sha,
      protected: name === "main",
    })),
  });
  expect(await host.ask("delete_branch", { name: "a/b" })).toEqual({ name: "a/b", existed: true });
  expect(await host.ask("delete_branch", { name: "a/b" })).toEqual({ name: "a/b", existed: false });
  expect(textOf(await host.call("delete_branch", { name: "main" }))).toContain(
    "GITHUB_DEFAULT_BRANCH",
  );
  expect(textOf(await host.call("create_branch", { name: "d", from: "nowhere" }))).toContain(
    "list_branches names them",
  );
  expect(textOf(await host.call("create_branch", { name: "c" }))).toContain(
    "Reference already exists",
  );
});

test("files are written, read in parts, replaced by their SHA, listed and deleted", async () => {
  const { host } = hosted();
  const first = Object(await host.ask("put_file", { path: "docs/a.md", content: "Grüße, Welt" }));
  expect(await host.ask("get_file", { path: "docs/a.md", offset: 2, limit: 3 })).toEqual({
    path: "docs/a.md",
    type: "file",
    sha: first.sha,
    size: 13,
    encoding: "utf-8",
    content: "üße",
    more: true,
  });
  expect(textOf(await host.call("put_file", { path: "docs/a.md", content: "x" }))).toContain(
    "GITHUB_FILE_CHANGED",
  );
  const second = Object(
    await host.ask("put_file", {
      path: "docs/a.md",
      content: "Qg==",
      encoding: "base64",
      sha: first.sha,
    }),
  );
  expect(await host.ask("get_file", { path: "docs" })).toMatchObject({
    type: "dir",
    entries: [{ path: "docs/a.md", type: "file", size: 1 }],
  });
  const stale = { path: "docs/a.md", sha: first.sha };
  expect(textOf(await host.call("delete_file", stale))).toContain("GITHUB_FILE_CHANGED");
  const gone = await host.ask("delete_file", { path: "docs/a.md", sha: second.sha });
  expect(gone).toEqual({
    path: "docs/a.md",
    commit: expect.any(String),
    url: expect.stringContaining("https://github.com/acme/site/commit/"),
  });
  expect(textOf(await host.call("get_file", { path: "docs/a.md" }))).toContain("NOT_FOUND");
  expect(textOf(await host.call("get_file", { path: "../secrets" }))).toContain("without . and ..");
});

test("files that are no text come as base64, and those that are too large are refused", async () => {
  const { host, vendor } = hosted();
  const file = { type: "file", sha: "s", size: 2, name: "x", path: "x" };
  vendor.answerInstead(/x$/, jsonResponse({ ...file, content: "AAE=\n", encoding: "base64" }));
  expect(await host.ask("get_file", { path: "x" })).toMatchObject({
    encoding: "base64",
    content: "AAE=",
  });
  vendor.answerInstead(/x$/, jsonResponse({ ...file, content: "", encoding: "none" }));
  expect(textOf(await host.call("get_file", { path: "x" }))).toContain("more than 1 MB");
  vendor.answerInstead(/x$/, jsonResponse({ ...file, type: "submodule" }));
  expect(textOf(await host.call("get_file", { path: "x" }))).toContain("is a submodule");
});

test("a pull request needs no head where one branch alone can be meant", async () => {
  const { host } = hosted();
  const ask = { title: "Mine", body: "Please" };
  expect(textOf(await host.call("create_pull_request", ask))).toContain(
    "make one with create_branch",
  );
  for (const name of ["one", "two"]) {
    await host.ask("create_branch", { name });
    await host.ask("put_file", { path: `${name}.md`, content: name, branch: name });
  }
  expect(textOf(await host.call("create_pull_request", ask))).toContain("one, two");
  await host.ask("create_pull_request", { ...ask, head: "one", draft: true });
  expect(await host.ask("create_pull_request", ask)).toMatchObject({ number: 2, head: "acme:two" });
  expect(textOf(await host.call("create_pull_request", { ...ask, head: "two" }))).toContain(
    "A pull request already exists for acme:two.",
  );
});

test("pull requests are listed by branch, changed, closed and refused where they cannot be merged", async () => {
  const { host } = hosted();
  await host.ask("create_branch", { name: "fix" });
  await host.ask("put_file", { path: "a.md", content: "A", branch: "fix" });
  const opened = Object(await host.ask("create_pull_request", { title: "Fix", head: "fix" }));
  expect(await host.ask("list_pull_requests", { head: "fix", base: "main" })).toEqual({
    pullRequests: [opened],
  });
  const own = await host.call("review_pull_request", { number: 1, event: "APPROVE" });
  expect(textOf(own)).toContain("Can not approve your own pull request");
  expect(
    textOf(await host.call("review_pull_request", { number: 1, event: "REQUEST_CHANGES" })),
  ).toContain("ARGUMENTS_INVALID");
  await host.ask("put_file", { path: "b.md", content: "B", branch: "fix" });
  const moved = { number: 1, expectedSha: opened.headSha };
  expect(textOf(await host.call("merge_pull_request", moved))).toContain("GITHUB_HEAD_MOVED");
  expect(
    await host.ask("update_pull_request", { number: 1, title: "Never mind", state: "closed" }),
  ).toMatchObject({ title: "Never mind", state: "closed" });
  expect(textOf(await host.call("merge_pull_request", { number: 1 }))).toContain(
    "GITHUB_NOT_MERGEABLE",
  );
  expect(await host.ask("list_pull_requests")).toEqual({ pullRequests: [] });
});

test("issues are made, listed by label, commented on, closed and found", async () => {
  const { host } = hosted();
  await host.ask("create_issue", { title: "It fails", body: "Here", labels: ["bug"] });
  await host.ask("create_issue", { title: "More colours", assignees: ["mona"] });
  expect(await host.ask("list_issues", { label: "bug" })).toMatchObject({
    issues: [{ number: 1, labels: ["bug"] }],
  });
  expect(await host.ask("list_issues", { assignee: "mona" })).toMatchObject({
    issues: [{ number: 2 }],
  });
  await host.ask("add_comment", { number: 1, body: "Seen" });
  expect(
    await host.ask("update_issue", {
      number: 1,
      state: "closed",
      stateReason: "not_planned",
      labels: ["bug", "enhancement"],
    }),
  ).toMatchObject({ state: "closed", stateReason: "not_planned", labels: ["bug", "enhancement"] });
  expect(await host.ask("get_issue", { number: 1, comments: true })).toMatchObject({
    body: "Here",
    comments: 1,
    conversation: [{ author: "signalbox[bot]", body: "Seen" }],
  });
  expect(await host.ask("list_issues")).toMatchObject({ issues: [{ number: 2 }] });
  expect(
    await host.ask("search_issues", { query: "repo:acme/site is:closed fails" }),
  ).toMatchObject({ results: [{ number: 1, repository: "acme/site", pullRequest: false }] });
  expect(await host.ask("list_labels")).toMatchObject({
    labels: [{ name: "bug" }, { name: "enhancement" }],
  });
});

test("lists of issues leave pull requests out", async () => {
  const { host } = hosted();
  await host.ask("create_branch", { name: "fix" });
  await host.ask("put_file", { path: "a.md", content: "A", branch: "fix" });
  await host.ask("create_pull_request", { title: "Fix", head: "fix" });
  expect(await host.ask("list_issues")).toEqual({ issues: [] });
  expect(await host.ask("search_issues", { query: "is:pr Fix" })).toMatchObject({
    results: [{ number: 1, pullRequest: true }],
  });
});

test("a workflow is started, watched, cancelled and run again", async () => {
  const { host, vendor, seen } = hosted();
  expect(await host.ask("list_workflows")).toEqual({
    workflows: [{ id: 7, name: "Deploy", path: ".github/workflows/deploy.yml", state: "active" }],
  });
  const { runId } = Object(
    await host.ask("dispatch_workflow", { workflow: "deploy.yml", inputs: { target: "test" } }),
  );
  expect(seen.at(-1)?.json).toEqual({
    ref: "main",
    inputs: { target: "test" },
    return_run_details: true,
  });
  expect(
    await host.ask("list_workflow_runs", { workflow: "deploy.yml", branch: "main" }),
  ).toMatchObject({ runs: [{ id: runId, status: "queued", conclusion: null }] });
  expect(await host.ask("cancel_workflow_run", { runId })).toEqual({ runId, cancelling: true });
  expect(textOf(await host.call("cancel_workflow_run", { runId }))).toContain("NOT_POSSIBLE");
  expect(await host.ask("rerun_workflow", { runId })).toEqual({ runId, started: true });
  vendor.finishRun("acme/site", "failure");
  expect(await host.ask("get_workflow_run", { runId })).toMatchObject({
    status: "completed",
    conclusion: "failure",
    attempt: 2,
    jobs: [{ name: "build", failedSteps: ["Test"] }],
  });
  expect(await host.ask("list_workflow_runs", { status: "failure" })).toMatchObject({
    runs: [{ id: runId }],
  });
  const absent = await host.call("dispatch_workflow", { workflow: "none.yml" });
  expect(textOf(absent)).toContain("NOT_FOUND");
});

test("an Enterprise Server that tells no run of a dispatch is taken at its word", async () => {
  const { host, vendor } = hosted();
  vendor.answerInstead(/dispatches$/, new Response(null, { status: 204 }));
  expect(await host.ask("dispatch_workflow", { workflow: "deploy.yml", ref: "main" })).toEqual({
    ref: "main",
  });
});

test("releases are listed with their notes", async () => {
  const { host } = hosted();
  expect(await host.ask("list_releases")).toMatchObject({
    releases: [{ tag: "v1.0.0", notes: "All of it", prerelease: false }],
  });
});

test("what is refused is said with what to do", async () => {
  const { host, vendor } = hosted();
  vendor.move("acme/old", "acme/site");
  expect(textOf(await host.call("get_repo", { repo: "acme/old" }))).toContain("has moved");
  expect(textOf(await host.call("get_repo", { repo: "acme/none" }))).toContain(
    "installed on the repository",
  );
  vendor.answerInstead(
    /site$/,
    jsonResponse(
      { message: "Resource not accessible by integration" },
      { status: 403, headers: { "x-accepted-github-permissions": "metadata=read" } },
    ),
  );
  expect(textOf(await host.call("get_repo"))).toContain("needs the permission metadata=read");
  vendor.answerInstead(/site$/, jsonResponse({ full_name: 1 }));
  expect(textOf(await host.call("get_repo"))).toContain("VENDOR_ANSWER");
  vendor.answerInstead(/branches$/, jsonResponse({}));
  expect(textOf(await host.call("list_branches"))).toContain("VENDOR_ANSWER");
  const alone = hosted({ pat: "ghp_mona" });
  expect(textOf(await alone.host.call("get_repo"))).toContain("GITHUB_DEFAULT_REPO");
  expect(textOf(await alone.host.call("get_repo", { repo: "a b" }))).toContain("repo:");
});

test("every tool says whether it reads, adds or destroys, and what it answers", () => {
  const hints = { readOnlyHint: false, openWorldHint: true };
  const told = [
    { readOnlyHint: true, openWorldHint: true },
    ...[true, false].flatMap((destructiveHint) =>
      [true, false].map((idempotentHint) => ({ ...hints, destructiveHint, idempotentHint })),
    ),
  ];
  for (const { name, annotations, outputSchema, cost = 0 } of github.tools) {
    expect({ name, type: outputSchema?.["type"] }).toEqual({ name, type: "object" });
    expect(told).toContainEqual(annotations);
    expect(cost).toBeGreaterThan(0);
  }
});
