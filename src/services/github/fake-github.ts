// A GitHub in memory, for tests: repositories with branches, commits and files, pull requests and reviews, issues, workflows
// and their runs. It checks an App's JWT, lets tokens end, counts requests and writes as GitHub does, and gives lists in
// pages by `Link`.
import { createHash, verify } from "node:crypto";
import type { Clock } from "@signalbox/kit";
import type { SeenRequest } from "@signalbox/kit/testing";
import { z } from "zod";
import * as shape from "./fake-github-shapes.ts";
import type {
  FakeCommit,
  FakeIssue,
  FakePull,
  FakeRepository,
  FakeRun,
} from "./fake-github-shapes.ts";

export interface FakeGithubOptions {
  readonly clock: Clock;
  readonly app?: { id: string; installation: string; publicKey: string };
  /** Personal access tokens, and whose they are. */
  readonly people?: Readonly<Record<string, string>>;
}

interface Repository extends FakeRepository {
  readonly commits: Map<string, FakeCommit>;
  readonly branches: Map<string, string>;
  readonly issues: FakeIssue[];
  readonly labels: string[];
  readonly workflows: { id: number; name: string; path: string }[];
  readonly runs: FakeRun[];
  approvalsNeeded: number;
}

/** A refusal or an answer without the common headers. */
class Answer extends Error {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Record<string, string>;

  constructor(status: number, body?: unknown, headers: Record<string, string> = {}) {
    super(`HTTP ${status}`);
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

interface Asked {
  readonly request: SeenRequest;
  readonly login: string;
  readonly names: readonly string[];
  readonly query: URLSearchParams;
}

type Route = readonly [method: string, place: RegExp, answer: (asked: Asked) => Answer];

export class FakeGithub {
  readonly #options: FakeGithubOptions;
  readonly #repositories = new Map<string, Repository>();
  readonly #tokens = new Map<string, number>();
  readonly #counts = new Map<string, { used: number; resetsAt: number }>();
  readonly #moved = new Map<string, string>();
  #writes: number[] = [];
  #ids = 100;
  #lost: RegExp | undefined;
  #instead: { place: RegExp; answer: Response } | undefined;
  readonly #madeUp = new WeakSet<Response>();

  constructor(options: FakeGithubOptions) {
    this.#options = options;
  }

  /** Tokens given out so far. */
  get tokensMade(): number {
    return this.#tokens.size;
  }

  /** A repository with one commit on `main` that has README.md. */
  addRepository(
    fullName: string,
    more: { approvalsNeeded?: number; private?: boolean } = {},
  ): void {
    const [owner = "", name = ""] = fullName.split("/");
    const first = this.#commit([], "First", owner, new Map([["README.md", `# ${name}\n`]]));
    this.#repositories.set(fullName, {
      id: ++this.#ids,
      owner,
      name,
      organisation: true,
      private: more.private ?? false,
      defaultBranch: "main",
      createdAt: this.#time(),
      commits: new Map([[first.sha, first]]),
      branches: new Map([["main", first.sha]]),
      issues: [],
      labels: ["bug", "enhancement"],
      workflows: [{ id: 7, name: "Deploy", path: ".github/workflows/deploy.yml" }],
      runs: [],
      approvalsNeeded: more.approvalsNeeded ?? 0,
    });
  }

  move(from: string, to: string): void {
    this.#moved.set(from, to);
  }

  /** How many of a kind are used; with `left`, so many are left until the hour is over. */
  leave(resource: string, left: number): void {
    this.#count(resource).used = limits[resource] === undefined ? 0 : limits[resource].limit - left;
  }

  /** Does the next request that fits, and loses the answer. */
  loseAnswerTo(place: RegExp): void {
    this.#lost = place;
  }

  /** Answers the next request that fits so instead. */
  answerInstead(place: RegExp, answer: Response): void {
    this.#instead = { place, answer };
    this.#madeUp.add(answer);
  }

  /** Whether an answer is one of `answerInstead`. */
  isMadeUp(answer: Response): boolean {
    return this.#madeUp.has(answer);
  }

  revokeTokens(): void {
    for (const token of this.#tokens.keys()) this.#tokens.set(token, 0);
  }

  finishRun(fullName: string, conclusion: string): void {
    const run = this.#repositories.get(fullName)?.runs.at(-1);
    if (run !== undefined) Object.assign(run, { status: "completed", conclusion });
  }

  readonly answer = (request: SeenRequest): Response => {
    const asked = `${request.method} ${request.url.pathname}`;
    if (this.#instead?.place.test(asked) === true) {
      const { answer } = this.#instead;
      this.#instead = undefined;
      return answer;
    }
    const resource = resourceOf(request.url.pathname);
    let answer: Answer;
    try {
      answer = this.#answered(request, resource);
    } catch (error) {
      if (!(error instanceof Answer)) throw error;
      answer = error;
    }
    if (this.#lost?.test(asked) === true) {
      this.#lost = undefined;
      throw new TypeError("terminated", { cause: new Error("other side closed") });
    }
    const { status, body } = answer;
    const headers = { ...this.#limitHeaders(resource), ...answer.headers };
    return body === undefined
      ? new Response(null, { status, headers })
      : Response.json(body, { status, headers });
  };

  #answered(request: SeenRequest, resource: string): Answer {
    const { pathname, searchParams } = request.url;
    if (request.headers["x-github-api-version"] !== "2022-11-28") throw refusal(400, "API version");
    if ((request.headers["user-agent"] ?? "") === "")
      throw refusal(403, "Request forbidden by administrative rules.");
    if (pathname.startsWith("/app/")) return this.#installationToken(request);
    const login = this.#loginOf(request);
    if (resource !== "none") this.#spend(resource);
    if (request.method !== "GET") this.#spendWrite();
    const routes = this.#routes.filter(([, place]) => place.test(pathname));
    const route = routes.find(([method]) => method === request.method);
    const names = route?.[1].exec(pathname)?.slice(1).map(decodeURIComponent) ?? [];
    if (route === undefined) throw refusal(404, "Not Found");
    return route[2]({ request, login, names, query: searchParams });
  }

  #installationToken(request: SeenRequest): Answer {
    const { app, clock } = this.#options;
    const jwt = (request.headers["authorization"] ?? "").replace("Bearer ", "");
    const [head = "", claims = "", signature = ""] = jwt.split(".");
    const signed = Buffer.from(`${head}.${claims}`);
    const sound =
      app !== undefined &&
      json(head)["alg"] === "RS256" &&
      verify("RSA-SHA256", signed, app.publicKey, Buffer.from(signature, "base64url"));
    if (!sound) throw refusal(401, "A JSON web token could not be decoded");
    const { iat, exp, iss } = appClaims.parse(json(claims));
    const now = clock.now() / 1000;
    if (iss !== app.id) throw refusal(401, "Integration not found");
    if (iat > now || exp <= now || exp - now > 600)
      throw refusal(401, "'Expiration time' claim ('exp') is too far in the future");
    if (request.url.pathname !== `/app/installations/${app.installation}/access_tokens`)
      throw refusal(404, "Not Found");
    const token = `ghs_${this.#tokens.size + 1}`;
    const ends = clock.now() + 3_600_000;
    this.#tokens.set(token, ends);
    return new Answer(201, {
      token,
      expires_at: new Date(ends).toISOString().replace(/\.\d+/, ""),
      permissions: { contents: "write", pull_requests: "write", issues: "write" },
      repository_selection: "selected",
    });
  }

  #loginOf({ headers }: SeenRequest): string {
    const token = (headers["authorization"] ?? "").replace("Bearer ", "");
    const person = this.#options.people?.[token];
    if (person !== undefined) return person;
    if ((this.#tokens.get(token) ?? 0) > this.#options.clock.now()) return "signalbox[bot]";
    throw refusal(401, "Bad credentials");
  }

  #count(resource: string): { used: number; resetsAt: number } {
    const now = this.#options.clock.now();
    const known = this.#counts.get(resource);
    if (known !== undefined && known.resetsAt > now) return known;
    const made = { used: 0, resetsAt: now + (limits[resource]?.windowMs ?? 0) };
    this.#counts.set(resource, made);
    return made;
  }

  #spend(resource: string): void {
    const count = this.#count(resource);
    if (count.used >= (limits[resource]?.limit ?? 0))
      throw refusal(403, "API rate limit exceeded for installation ID 1.");
    count.used++;
  }

  // 80 changes a minute.
  #spendWrite(): void {
    const now = this.#options.clock.now();
    this.#writes = this.#writes.filter((at) => at > now - 60_000);
    if (this.#writes.length >= 80) throw new Answer(403, secondaryLimit, { "retry-after": "60" });
    this.#writes.push(now);
  }

  #limitHeaders(resource: string): Record<string, string> {
    const limit = limits[resource];
    if (limit === undefined) return {};
    const { used, resetsAt } = this.#count(resource);
    return {
      "x-ratelimit-limit": String(limit.limit),
      "x-ratelimit-remaining": String(limit.limit - used),
      "x-ratelimit-used": String(used),
      "x-ratelimit-reset": String(Math.ceil(resetsAt / 1000)),
      "x-ratelimit-resource": resource,
    };
  }

  readonly #routes: readonly Route[] = [
    ["GET", /^\/rate_limit$/, () => this.#rateLimit()],
    [
      "GET",
      /^\/installation\/repositories$/,
      ({ request, login }) => {
        if (!login.endsWith("[bot]"))
          throw refusal(
            403,
            "You must authenticate with an installation access token in order to list repositories for an installation.",
          );
        const all = this.#shownRepositories();
        return page(request, all, (repositories) => ({
          total_count: all.length,
          repository_selection: "selected",
          repositories,
        }));
      },
    ],
    ["GET", /^\/user\/repos$/, ({ request }) => page(request, this.#shownRepositories())],
    [
      "GET",
      /^\/(?:orgs|users)\/([^/]+)\/repos$/,
      ({ request, names: [owner] }) => {
        const own = this.#shownRepositories().filter(({ full_name }) =>
          String(full_name).startsWith(`${owner}/`),
        );
        if (own.length === 0) throw refusal(404, "Not Found");
        return page(request, own);
      },
    ],
    [
      "GET",
      /^\/search\/repositories$/,
      ({ request, query }) =>
        found(
          request,
          this.#shownRepositories().filter(({ full_name }) =>
            String(full_name).includes(query.get("q") ?? ""),
          ),
        ),
    ],
    [
      "GET",
      /^\/search\/issues$/,
      ({ request, query }) => found(request, this.#issuesFound(query.get("q") ?? "")),
    ],
    [
      "GET",
      /^\/search\/code$/,
      ({ request, query }) => found(request, this.#codeFound(query.get("q") ?? "")),
    ],
    [
      "GET",
      inRepo(""),
      (asked) => {
        const there = this.#repository(asked);
        return new Answer(
          200,
          shape.repositoryShape(there, there.issues.filter(({ state }) => state === "open").length),
        );
      },
    ],
    [
      "GET",
      inRepo("/branches"),
      (asked) => {
        const there = this.#repository(asked);
        return page(
          asked.request,
          [...there.branches].map(([name, sha]) => ({
            name,
            commit: { sha, url: `${shape.urlOf(there)}/commits/${sha}` },
            protected: name === there.defaultBranch,
          })),
        );
      },
    ],
    [
      "GET",
      inRepo("/git/ref/([^/]+)"),
      (asked) => {
        const there = this.#repository(asked);
        const branch = (asked.names[2] ?? "").replace(/^heads\//, "");
        const sha = there.branches.get(branch);
        if (sha === undefined) throw refusal(404, "Not Found");
        return new Answer(200, refShape(there, branch, sha));
      },
    ],
    [
      "POST",
      inRepo("/git/refs"),
      (asked) => {
        const there = this.#repository(asked);
        const { ref, sha } = newRef.parse(asked.request.json);
        const branch = ref.replace(/^refs\/heads\//, "");
        if (there.branches.has(branch)) throw refusal(422, "Reference already exists");
        if (!there.commits.has(sha)) throw refusal(422, "Object does not exist");
        there.branches.set(branch, sha);
        return new Answer(201, refShape(there, branch, sha));
      },
    ],
    [
      "DELETE",
      inRepo("/git/refs/([^/]+)"),
      (asked) => {
        const there = this.#repository(asked);
        if (!there.branches.delete((asked.names[2] ?? "").replace(/^heads\//, "")))
          throw refusal(422, "Reference does not exist");
        return new Answer(204);
      },
    ],
    [
      "GET",
      inRepo("/commits"),
      (asked) => {
        const there = this.#repository(asked);
        const path = asked.query.get("path");
        const history = historyOf(there, this.#shaOf(there, asked.query.get("sha")));
        const touched = history.filter(
          (one) =>
            path === null ||
            one.files.get(path) !== there.commits.get(one.parents[0] ?? "")?.files.get(path),
        );
        return page(
          asked.request,
          touched.map((one) => shape.commitShape(there, one)),
        );
      },
    ],
    [
      "GET",
      inRepo("/commits/([^/]+)/check-runs"),
      (asked) => {
        const there = this.#repository(asked);
        return new Answer(200, {
          total_count: 1,
          check_runs: [
            {
              id: 1,
              name: "build",
              head_sha: asked.names[2],
              status: "completed",
              conclusion: "success",
              html_url: `${shape.urlOf(there)}/runs/1`,
            },
          ],
        });
      },
    ],
    ["GET", inRepo("/contents/([^/]+)"), (asked) => this.#readFile(asked)],
    ["PUT", inRepo("/contents/([^/]+)"), (asked) => this.#writeFile(asked)],
    ["DELETE", inRepo("/contents/([^/]+)"), (asked) => this.#writeFile(asked)],
    ["GET", inRepo("/pulls"), (asked) => this.#listPulls(asked)],
    ["POST", inRepo("/pulls"), (asked) => this.#openPull(asked)],
    ["GET", inRepo("/pulls/(\\d+)"), (asked) => this.#pullAnswer(asked)],
    [
      "PATCH",
      inRepo("/pulls/(\\d+)"),
      (asked) => {
        const { issue, pull } = this.#pull(asked);
        const { base, ...rest } = issueChange.parse(asked.request.json);
        this.#change(issue, rest);
        if (base !== undefined) pull.base = base;
        return this.#pullAnswer(asked);
      },
    ],
    [
      "GET",
      inRepo("/pulls/(\\d+)/files"),
      (asked) => {
        const { there, pull } = this.#pull(asked);
        return page(asked.request, this.#changedFiles(there, pull));
      },
    ],
    [
      "GET",
      inRepo("/pulls/(\\d+)/reviews"),
      (asked) => {
        const { there, issue, pull } = this.#pull(asked);
        return page(
          asked.request,
          pull.reviews.map((one) => shape.reviewShape(there, issue, one)),
        );
      },
    ],
    ["POST", inRepo("/pulls/(\\d+)/reviews"), (asked) => this.#review(asked)],
    ["PUT", inRepo("/pulls/(\\d+)/merge"), (asked) => this.#merge(asked)],
    ["GET", inRepo("/issues"), (asked) => this.#listIssues(asked)],
    [
      "POST",
      inRepo("/issues"),
      (asked) => {
        const there = this.#repository(asked);
        const issue = this.#newIssue(there, asked.login, newIssue.parse(asked.request.json));
        return new Answer(201, shape.issueShape(there, issue));
      },
    ],
    [
      "GET",
      inRepo("/issues/(\\d+)"),
      (asked) => {
        const { there, issue } = this.#issue(asked);
        return new Answer(200, shape.issueShape(there, issue));
      },
    ],
    [
      "PATCH",
      inRepo("/issues/(\\d+)"),
      (asked) => {
        const { there, issue } = this.#issue(asked);
        this.#change(issue, issueChange.parse(asked.request.json));
        return new Answer(200, shape.issueShape(there, issue));
      },
    ],
    [
      "GET",
      inRepo("/issues/(\\d+)/comments"),
      (asked) => {
        const { there, issue } = this.#issue(asked);
        return page(
          asked.request,
          issue.comments.map((one) => shape.commentShape(there, issue, one)),
        );
      },
    ],
    [
      "POST",
      inRepo("/issues/(\\d+)/comments"),
      (asked) => {
        const { there, issue } = this.#issue(asked);
        const { body } = z.object({ body: z.string() }).parse(asked.request.json);
        const comment = { id: ++this.#ids, author: asked.login, body, at: this.#time() };
        issue.comments.push(comment);
        return new Answer(201, shape.commentShape(there, issue, comment));
      },
    ],
    [
      "GET",
      inRepo("/labels"),
      (asked) => {
        const there = this.#repository(asked);
        return page(
          asked.request,
          there.labels.map((name) => shape.labelShape(there, name)),
        );
      },
    ],
    [
      "GET",
      inRepo("/releases"),
      (asked) => {
        const there = this.#repository(asked);
        return page(asked.request, [
          {
            id: 1,
            tag_name: "v1.0.0",
            name: "First",
            body: "All of it",
            draft: false,
            prerelease: false,
            html_url: `${shape.urlOf(there)}/releases/v1.0.0`,
            published_at: this.#time(),
          },
        ]);
      },
    ],
    [
      "GET",
      inRepo("/actions/workflows"),
      (asked) => {
        const there = this.#repository(asked);
        return page(
          asked.request,
          there.workflows.map((one) => this.#workflowShape(there, one)),
          (workflows) => ({ total_count: there.workflows.length, workflows }),
        );
      },
    ],
    ["POST", inRepo("/actions/workflows/([^/]+)/dispatches"), (asked) => this.#dispatch(asked)],
    [
      "GET",
      inRepo("/actions/(?:workflows/([^/]+)/)?runs"),
      (asked) => {
        const there = this.#repository(asked);
        const { query } = asked;
        const runs = there.runs
          .filter(
            (run) =>
              [query.get("status") ?? run.status].some(
                (status) => status === run.status || status === run.conclusion,
              ) && (query.get("branch") ?? run.branch) === run.branch,
          )
          .toReversed();
        return page(
          asked.request,
          runs.map((run) => shape.runShape(there, run)),
          (workflow_runs) => ({ total_count: runs.length, workflow_runs }),
        );
      },
    ],
    [
      "GET",
      inRepo("/actions/runs/(\\d+)"),
      (asked) => {
        const { there, run } = this.#run(asked);
        return new Answer(200, shape.runShape(there, run));
      },
    ],
    [
      "GET",
      inRepo("/actions/runs/(\\d+)/jobs"),
      (asked) => {
        const { there, run } = this.#run(asked);
        return new Answer(200, { total_count: 1, jobs: [shape.jobShape(there, run)] });
      },
    ],
    [
      "POST",
      inRepo("/actions/runs/(\\d+)/cancel"),
      (asked) => {
        const { run } = this.#run(asked);
        if (run.status === "completed")
          throw refusal(409, "Cannot cancel a workflow run that is completed.");
        Object.assign(run, { status: "completed", conclusion: "cancelled" });
        return new Answer(202, {});
      },
    ],
    [
      "POST",
      inRepo("/actions/runs/(\\d+)/rerun"),
      (asked) => {
        const { run } = this.#run(asked);
        if (run.status !== "completed") throw refusal(403, "This workflow is already running");
        Object.assign(run, { status: "queued", conclusion: null, attempt: run.attempt + 1 });
        return new Answer(201, {});
      },
    ],
  ];

  #rateLimit(): Answer {
    const resources = Object.fromEntries(
      Object.entries(limits).map(([name, { limit }]) => {
        const { used, resetsAt } = this.#count(name);
        return [name, { limit, used, remaining: limit - used, reset: Math.ceil(resetsAt / 1000) }];
      }),
    );
    return new Answer(200, { resources, rate: resources["core"] });
  }

  #shownRepositories(): Record<string, unknown>[] {
    return [...this.#repositories.values()].map((one) => ({
      ...shape.repositoryShape(one),
      score: 1,
    }));
  }

  #repository({ names: [owner = "", name = ""] }: Asked): Repository {
    const to = this.#moved.get(`${owner}/${name}`);
    if (to !== undefined)
      throw new Answer(
        301,
        { message: "Moved Permanently", url: `${shape.api}/repos/${to}`, documentation_url: docs },
        { location: `${shape.api}/repos/${to}` },
      );
    const there = this.#repositories.get(`${owner}/${name}`);
    if (there === undefined) throw refusal(404, "Not Found");
    return there;
  }

  #shaOf(there: Repository, ref: string | null): string {
    const sha = there.branches.get(ref ?? there.defaultBranch) ?? ref ?? "";
    if (!there.commits.has(sha)) throw refusal(404, `No commit found for the ref ${ref}`);
    return sha;
  }

  #commit(
    parents: readonly string[],
    message: string,
    author: string,
    files: ReadonlyMap<string, string>,
  ): FakeCommit {
    const sha = sha1(JSON.stringify([parents, message, author, [...files], ++this.#ids]));
    return { sha, message, author, date: this.#time(), parents, files };
  }

  #time(): string {
    return new Date(this.#options.clock.now()).toISOString().replace(/\.\d+/, "");
  }

  #readFile(asked: Asked): Answer {
    const there = this.#repository(asked);
    const path = asked.names[2] ?? "";
    const files =
      there.commits.get(this.#shaOf(there, asked.query.get("ref")))?.files ??
      new Map<string, string>();
    const text = files.get(path);
    if (text !== undefined)
      return new Answer(200, shape.fileShape(there, { path, sha: sha1(text), text }));
    const inside = [...files].filter(([name]) => name.startsWith(`${path}/`));
    if (inside.length === 0) throw refusal(404, "Not Found");
    return new Answer(
      200,
      inside.map(([name, one]) => {
        const {
          content: _content,
          encoding: _encoding,
          ...entry
        } = shape.fileShape(there, { path: name, sha: sha1(one), text: one });
        return entry;
      }),
    );
  }

  #writeFile(asked: Asked): Answer {
    const there = this.#repository(asked);
    const path = asked.names[2] ?? "";
    const {
      message,
      content,
      sha,
      branch = there.defaultBranch,
    } = newFile.parse(asked.request.json);
    const parent = this.#shaOf(there, branch);
    const files = new Map(there.commits.get(parent)?.files);
    const before = files.get(path);
    if (before !== undefined && sha === undefined)
      throw refusal(422, `Invalid request.\n\n"sha" wasn't supplied.`);
    if (sha !== undefined && (before === undefined || sha1(before) !== sha))
      throw refusal(409, `${path} does not match ${sha}`);
    const text = content === undefined ? undefined : Buffer.from(content, "base64").toString();
    if (text === undefined) files.delete(path);
    else files.set(path, text);
    const commit = this.#commit([parent], message, asked.login, files);
    this.#push(there, branch, commit);
    const {
      content: _content,
      encoding: _encoding,
      ...file
    } = text === undefined ? {} : shape.fileShape(there, { path, sha: sha1(text), text });
    return new Answer(before === undefined ? 201 : 200, {
      content: text === undefined ? null : file,
      commit: { sha: commit.sha, message, html_url: shape.commitPage(there, commit.sha) },
    });
  }

  #push(there: Repository, branch: string, commit: FakeCommit): void {
    there.commits.set(commit.sha, commit);
    there.branches.set(branch, commit.sha);
    for (const { pull, state } of there.issues)
      if (state === "open" && pull?.head === branch) pull.headSha = commit.sha;
  }

  #listPulls(asked: Asked): Answer {
    const there = this.#repository(asked);
    const { query } = asked;
    const pulls = there.issues.toReversed().flatMap((issue) => {
      const { pull } = issue;
      if (pull === undefined || !stateFits(query.get("state") ?? "open", issue)) return [];
      if ((query.get("head") ?? `${there.owner}:${pull.head}`) !== `${there.owner}:${pull.head}`)
        return [];
      if ((query.get("base") ?? pull.base) !== pull.base) return [];
      return [shape.pullShape(there, issue, pull, there.branches.get(pull.base) ?? "")];
    });
    return page(asked.request, pulls);
  }

  #openPull(asked: Asked): Answer {
    const there = this.#repository(asked);
    const { title, body, head, base, draft } = newPull.parse(asked.request.json);
    const headSha = there.branches.get(head);
    if (headSha === undefined) throw invalid("PullRequest", "head");
    if (!there.branches.has(base)) throw invalid("PullRequest", "base");
    if (
      there.issues.some(
        ({ state, pull }) => state === "open" && pull?.head === head && pull.base === base,
      )
    )
      throw new Answer(422, {
        message: "Validation Failed",
        documentation_url: docs,
        errors: [
          {
            resource: "PullRequest",
            code: "custom",
            message: `A pull request already exists for ${there.owner}:${head}.`,
          },
        ],
      });
    if (there.branches.get(base) === headSha)
      throw new Answer(422, {
        message: "Validation Failed",
        documentation_url: docs,
        errors: [
          {
            resource: "PullRequest",
            code: "custom",
            message: `No commits between ${base} and ${head}`,
          },
        ],
      });
    const pull: FakePull = {
      head,
      base,
      draft,
      headSha,
      mergedAt: null,
      mergeSha: null,
      reviews: [],
    };
    const issue = this.#newIssue(there, asked.login, { title, body }, pull);
    return new Answer(201, this.#pullDetails(there, issue, pull));
  }

  #pullAnswer(asked: Asked): Answer {
    const { there, issue, pull } = this.#pull(asked);
    return new Answer(200, this.#pullDetails(there, issue, pull));
  }

  #pullDetails(there: Repository, issue: FakeIssue, pull: FakePull): Record<string, unknown> {
    const files = this.#changedFiles(there, pull);
    const merged = pull.mergedAt !== null;
    return {
      ...shape.pullShape(there, issue, pull, there.branches.get(pull.base) ?? ""),
      merged,
      mergeable: merged ? null : true,
      mergeable_state: merged ? "unknown" : this.#approved(there, pull) ? "clean" : "blocked",
      merged_by: merged ? shape.userShape(issue.author) : null,
      maintainer_can_modify: false,
      comments: issue.comments.length,
      review_comments: 0,
      commits: 1,
      additions: files.length,
      deletions: 0,
      changed_files: files.length,
    };
  }

  #changedFiles(there: Repository, pull: FakePull): Record<string, unknown>[] {
    const base = there.commits.get(there.branches.get(pull.base) ?? "")?.files;
    const head = there.commits.get(pull.headSha)?.files ?? new Map<string, string>();
    return [...head].flatMap(([filename, text]) => {
      if (base?.get(filename) === text) return [];
      const url = `${shape.urlOf(there)}/contents/${filename}`;
      return [
        {
          sha: sha1(text),
          filename,
          status: base?.has(filename) === true ? "modified" : "added",
          additions: 1,
          deletions: 0,
          changes: 1,
          blob_url: url,
          raw_url: url,
          contents_url: url,
          patch: `@@ -0,0 +1 @@\n+${text.trim()}`,
        },
      ];
    });
  }

  #review(asked: Asked): Answer {
    const { there, issue, pull } = this.#pull(asked);
    const { event, body = "", commit_id: sha = pull.headSha } = newReview.parse(asked.request.json);
    if (event !== "COMMENT" && asked.login === issue.author)
      throw new Answer(422, {
        message: "Unprocessable Entity",
        errors: ["Can not approve your own pull request"],
        documentation_url: docs,
      });
    const state = {
      APPROVE: "APPROVED",
      REQUEST_CHANGES: "CHANGES_REQUESTED",
      COMMENT: "COMMENTED",
    }[event];
    const review = { id: ++this.#ids, author: asked.login, state, body, sha, at: this.#time() };
    pull.reviews.push(review);
    return new Answer(200, shape.reviewShape(there, issue, review));
  }

  #approved(there: Repository, pull: FakePull): boolean {
    return pull.reviews.filter(({ state }) => state === "APPROVED").length >= there.approvalsNeeded;
  }

  #merge(asked: Asked): Answer {
    const { there, issue, pull } = this.#pull(asked);
    const { sha, merge_method = "merge", commit_title } = newMerge.parse(asked.request.json);
    if (pull.mergedAt !== null || issue.state === "closed" || pull.draft)
      throw refusal(405, "Pull Request is not mergeable");
    if (sha !== undefined && sha !== pull.headSha)
      throw refusal(409, "Head branch was modified. Review and try the merge again.");
    if (!this.#approved(there, pull))
      throw refusal(405, "At least 1 approving review is required by reviewers with write access.");
    const base = there.branches.get(pull.base) ?? "";
    const files = new Map([
      ...(there.commits.get(base)?.files ?? []),
      ...(there.commits.get(pull.headSha)?.files ?? []),
    ]);
    const parents = merge_method === "merge" ? [base, pull.headSha] : [base];
    const commit = this.#commit(
      parents,
      commit_title ?? `${issue.title} (#${issue.number})`,
      asked.login,
      files,
    );
    this.#push(there, pull.base, commit);
    Object.assign(pull, { mergedAt: this.#time(), mergeSha: commit.sha });
    this.#change(issue, { state: "closed" });
    return new Answer(200, {
      sha: commit.sha,
      merged: true,
      message: "Pull Request successfully merged",
    });
  }

  #newIssue(
    there: Repository,
    author: string,
    about: z.output<typeof newIssue>,
    pull?: FakePull,
  ): FakeIssue {
    const { title, body = "", labels = [], assignees = [] } = about;
    const now = this.#time();
    const issue: FakeIssue = {
      number: there.issues.length + 1,
      title,
      body,
      labels,
      assignees,
      author,
      state: "open",
      stateReason: null,
      comments: [],
      createdAt: now,
      updatedAt: now,
      closedAt: null,
      ...(pull !== undefined && { pull }),
    };
    there.issues.push(issue);
    return issue;
  }

  #change(issue: FakeIssue, change: z.output<typeof issueChange>): void {
    const { title, body, state, state_reason, labels, assignees } = change;
    issue.title = title ?? issue.title;
    issue.body = body ?? issue.body;
    issue.labels = labels ?? issue.labels;
    issue.assignees = assignees ?? issue.assignees;
    issue.updatedAt = this.#time();
    if (state === undefined) return;
    issue.state = state;
    issue.stateReason = state === "closed" ? (state_reason ?? "completed") : "reopened";
    issue.closedAt = state === "closed" ? this.#time() : null;
  }

  #listIssues(asked: Asked): Answer {
    const there = this.#repository(asked);
    const { query } = asked;
    const labels = query.get("labels")?.split(",") ?? [];
    const since = Date.parse(query.get("since") ?? "1970-01-01");
    const issues = there.issues
      .toReversed()
      .filter(
        (issue) =>
          stateFits(query.get("state") ?? "open", issue) &&
          labels.every((label) => issue.labels.includes(label)) &&
          Date.parse(issue.updatedAt) >= since &&
          (query.get("assignee") === null || issue.assignees.includes(query.get("assignee") ?? "")),
      );
    return page(
      asked.request,
      issues.map((issue) => shape.issueShape(there, issue)),
    );
  }

  #issue(asked: Asked): { there: Repository; issue: FakeIssue } {
    const there = this.#repository(asked);
    const issue = there.issues.find((one) => String(one.number) === asked.names[2]);
    if (issue === undefined) throw refusal(404, "Not Found");
    return { there, issue };
  }

  #pull(asked: Asked): { there: Repository; issue: FakeIssue; pull: FakePull } {
    const { there, issue } = this.#issue(asked);
    if (issue.pull === undefined) throw refusal(404, "Not Found");
    return { there, issue, pull: issue.pull };
  }

  #run(asked: Asked): { there: Repository; run: FakeRun } {
    const there = this.#repository(asked);
    const run = there.runs.find((one) => String(one.id) === asked.names[2]);
    if (run === undefined) throw refusal(404, "Not Found");
    return { there, run };
  }

  #dispatch(asked: Asked): Answer {
    const there = this.#repository(asked);
    const { ref, return_run_details } = newDispatch.parse(asked.request.json);
    const workflow = there.workflows.find(({ id, path }) =>
      [String(id), path.split("/").at(-1)].includes(asked.names[2]),
    );
    if (workflow === undefined) throw refusal(404, "Not Found");
    const sha = there.branches.get(ref);
    if (sha === undefined) throw refusal(422, `No ref found for: ${ref}`);
    const id = ++this.#ids;
    there.runs.push({
      id,
      workflowId: workflow.id,
      name: workflow.name,
      path: workflow.path,
      branch: ref,
      sha,
      number: there.runs.length + 1,
      attempt: 1,
      status: "queued",
      conclusion: null,
      at: this.#time(),
    });
    if (return_run_details !== true) return new Answer(204);
    const run_url = `${shape.urlOf(there)}/actions/runs/${id}`;
    return new Answer(200, { workflow_run_id: id, run_url, html_url: run_url });
  }

  #workflowShape(
    there: Repository,
    { id, name, path }: Repository["workflows"][number],
  ): Record<string, unknown> {
    const url = `${shape.urlOf(there)}/actions/workflows/${id}`;
    return {
      id,
      name,
      path,
      node_id: `W_${id}`,
      state: "active",
      created_at: there.createdAt,
      updated_at: there.createdAt,
      url,
      html_url: url,
      badge_url: `${url}/badge.svg`,
    };
  }

  #issuesFound(query: string): Record<string, unknown>[] {
    const terms = query.split(" ");
    return [...this.#repositories.values()].flatMap((there) =>
      there.issues
        .filter((issue) => terms.every((term) => fits(term, there, issue)))
        .map((issue) => ({ ...shape.issueShape(there, issue), score: 1 })),
    );
  }

  #codeFound(query: string): Record<string, unknown>[] {
    const words = query.split(" ").filter((term) => !term.includes(":"));
    return [...this.#repositories.values()].flatMap((there) => {
      const files =
        there.commits.get(there.branches.get(there.defaultBranch) ?? "")?.files ??
        new Map<string, string>();
      return [...files]
        .filter(([, text]) => words.every((word) => text.includes(word)))
        .map(([path, text]) => {
          const {
            content: _c,
            encoding: _e,
            _links,
            download_url: _d,
            size: _s,
            type: _t,
            ...rest
          } = shape.fileShape(there, { path, sha: sha1(text), text });
          return { ...rest, repository: shape.repositoryShape(there), score: 1 };
        });
    });
  }
}

const limits: Readonly<Record<string, { limit: number; windowMs: number }>> = {
  core: { limit: 5_000, windowMs: 3_600_000 },
  search: { limit: 30, windowMs: 60_000 },
  code_search: { limit: 10, windowMs: 60_000 },
};

function resourceOf(pathname: string): string {
  if (pathname === "/rate_limit" || pathname.startsWith("/app/")) return "none";
  if (pathname === "/search/code") return "code_search";
  return pathname.startsWith("/search/") ? "search" : "core";
}

const docs = "https://docs.github.com/rest";
const secondaryLimit = {
  message:
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
  documentation_url: docs,
};

function refusal(status: number, message: string): Answer {
  return new Answer(status, { message, documentation_url: docs });
}

function invalid(resource: string, field: string): Answer {
  const errors = [{ resource, field, code: "invalid" }];
  return new Answer(422, { message: "Validation Failed", errors, documentation_url: docs });
}

function inRepo(place: string): RegExp {
  return new RegExp(`^/repos/([^/]+)/([^/]+)${place}$`);
}

/** One page of a list, with the links to the others. */
function page(
  { url }: SeenRequest,
  all: readonly Record<string, unknown>[],
  wrap: (items: readonly Record<string, unknown>[]) => unknown = (items) => items,
): Answer {
  const size = Number(url.searchParams.get("per_page") ?? 30);
  const at = Number(url.searchParams.get("page") ?? 1);
  const link = (to: number, rel: string): string => {
    const other = new URL(url);
    other.searchParams.set("page", String(to));
    return `<${other.href}>; rel="${rel}"`;
  };
  const last = Math.max(1, Math.ceil(all.length / size));
  const links = [
    ...(at > 1 ? [link(at - 1, "prev"), link(1, "first")] : []),
    ...(at < last ? [link(at + 1, "next"), link(last, "last")] : []),
  ];
  const items = all.slice((at - 1) * size, at * size);
  return new Answer(200, wrap(items), links.length > 0 ? { link: links.join(", ") } : {});
}

function found(request: SeenRequest, all: readonly Record<string, unknown>[]): Answer {
  return page(request, all, (items) => ({
    total_count: all.length,
    incomplete_results: false,
    ...(request.url.pathname === "/search/issues" && { search_type: "lexical" }),
    items,
  }));
}

function refShape(there: FakeRepository, branch: string, sha: string): Record<string, unknown> {
  const url = `${shape.urlOf(there)}/git`;
  return {
    ref: `refs/heads/${branch}`,
    node_id: `REF_${branch}`,
    url: `${url}/refs/heads/${branch}`,
    object: { type: "commit", sha, url: `${url}/commits/${sha}` },
  };
}

function historyOf(there: Repository, sha: string): FakeCommit[] {
  const history: FakeCommit[] = [];
  for (
    let one = there.commits.get(sha);
    one !== undefined;
    one = there.commits.get(one.parents[0] ?? "")
  )
    history.push(one);
  return history;
}

function stateFits(wanted: string, { state }: FakeIssue): boolean {
  return wanted === "all" || wanted === state;
}

function fits(term: string, there: FakeRepository, issue: FakeIssue): boolean {
  const [name, value] = term.split(":");
  if (value === undefined) return issue.title.includes(term);
  if (name === "repo") return `${there.owner}/${there.name}` === value;
  if (name === "label") return issue.labels.includes(value);
  return value === "pr" || value === "issue"
    ? (issue.pull !== undefined) === (value === "pr")
    : issue.state === value;
}

function sha1(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}

function json(part: string): Record<string, unknown> {
  try {
    return z
      .record(z.string(), z.unknown())
      .parse(JSON.parse(Buffer.from(part, "base64url").toString()));
  } catch {
    return {};
  }
}

const appClaims = z.object({ iat: z.int(), exp: z.int(), iss: z.string() });
const newRef = z.object({ ref: z.string(), sha: z.string() });
const newFile = z.object({
  message: z.string(),
  content: z.string().optional(),
  sha: z.string().optional(),
  branch: z.string().optional(),
});
const newPull = z.object({
  title: z.string(),
  body: z.string(),
  head: z.string(),
  base: z.string(),
  draft: z.boolean(),
});
const newReview = z.object({
  event: z.enum(["APPROVE", "REQUEST_CHANGES", "COMMENT"]),
  body: z.string().optional(),
  commit_id: z.string().optional(),
});
const newMerge = z.object({
  sha: z.string().optional(),
  merge_method: z.string().optional(),
  commit_title: z.string().optional(),
});
const newIssue = z.object({
  title: z.string(),
  body: z.string().optional(),
  labels: z.array(z.string()).optional(),
  assignees: z.array(z.string()).optional(),
});
const issueChange = z.object({
  title: z.string().optional(),
  body: z.string().optional(),
  state: z.enum(["open", "closed"]).optional(),
  state_reason: z.string().optional(),
  labels: z.array(z.string()).optional(),
  assignees: z.array(z.string()).optional(),
  base: z.string().optional(),
});
const newDispatch = z.object({
  ref: z.string(),
  inputs: z.record(z.string(), z.unknown()),
  return_run_details: z.boolean().optional(),
});
