/** An n8n for tests, with the answers that n8n 2.41 was seen to give: workflows, webhooks, executions and its MCP server. */
import { jsonResponse, type FakeClock, type SeenRequest } from "@signalbox/kit/testing";

export const goodKey = "api-key-of-tests";
export const mcpToken = "mcp-token-of-tests";

type Row = Record<string, unknown>;
interface Hook {
  readonly workflow: Row;
  readonly parameters: Row;
}

export class FakeN8n {
  readonly workflows = new Map<string, Row>();
  readonly executions: Row[] = [];
  readonly credentials = new Map<string, Row>();
  /** Below this, answers that are given instead of the next ones; undefined lets the request through. */
  readonly instead: ((request: SeenRequest) => Response | undefined)[] = [];
  /** How long the next execution takes; it fails with `failing`. */
  nextTakesMs = 0;
  failing: string | undefined;
  databaseReady = true;
  readonly #clock: FakeClock;
  readonly #liveAtMs = new Map<string, number>();
  #made = 0;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  readonly answer = async (request: SeenRequest): Promise<Response> => {
    const instead = this.instead[0]?.(request);
    if (instead !== undefined) {
      this.instead.shift();
      return instead;
    }
    const { pathname } = request.url;
    if (pathname === "/healthz") return jsonResponse({ status: "ok" });
    if (pathname === "/healthz/readiness")
      return this.databaseReady
        ? jsonResponse({ status: "ok" })
        : jsonResponse({ status: "error" }, { status: 503 });
    if (pathname.startsWith("/webhook/")) return await this.#webhook(request);
    if (pathname === "/mcp-server/http") return this.#mcp(request);
    if (request.headers["x-n8n-api-key"] !== goodKey) return refused(401, "Unauthorized");
    const [place, id, what] = pathname.replace("/api/v1/", "").split("/");
    if (place === "workflows") return this.#workflow(request, id, what);
    if (place === "executions") return this.#execution(request, id, what);
    if (place === "credentials") return this.#credential(request, id, what);
    if (place === "tags") return jsonResponse({ data: [], nextCursor: null });
    return refused(404, "Not Found");
  };

  #workflow(request: SeenRequest, id: string | undefined, what: string | undefined): Response {
    const { method, url, json } = request;
    if (id === undefined && method === "GET") return this.#workflowList(url);
    const wrong = method === "POST" || method === "PUT" ? misfit(json, what) : undefined;
    if (wrong !== undefined) return refused(400, wrong);
    if (id === undefined) return jsonResponse(this.#create(Object(json)));
    const found = this.workflows.get(id);
    if (found === undefined) return refused(404, "Not Found");
    if (what === "activate" || what === "deactivate") return this.#activate(found, what);
    if (what !== undefined) return refused(405, `${method} method not allowed`);
    if (method === "DELETE") {
      if (this.#clock.now() < Number(this.#liveAtMs.get(id)))
        return refused(
          409,
          "Workflow is still being unpublished. Please try again in a few moments.",
        );
      this.workflows.delete(id);
    }
    if (method !== "PUT") return jsonResponse(found);
    Object.assign(found, json, { updatedAt: this.#at() });
    const { shared: _shared, ...shown } = found;
    return jsonResponse(shown);
  }

  #workflowList(url: URL): Response {
    const active = url.searchParams.get("active");
    const name = url.searchParams.get("name");
    const rows = [...this.workflows.values()].filter(
      (one) =>
        (active === null || String(one["active"]) === active) &&
        (name === null || String(one["name"]).includes(name)),
    );
    return paged(
      rows.map(({ description: _description, versionCounter: _counter, ...row }) => row),
      url,
    );
  }

  #create({ name, nodes, connections, settings }: Row): Row {
    const id = `wf${String(++this.#made).padStart(14, "0")}`;
    const made = {
      id,
      name,
      description: null,
      active: false,
      activeVersionId: null,
      createdAt: this.#at(),
      updatedAt: this.#at(),
      isArchived: false,
      versionId: `v${this.#made}`,
      versionCounter: 1,
      sourceWorkflowId: null,
      triggerCount: 0,
      nodes,
      connections,
      nodeGroups: [],
      settings,
      staticData: null,
      pinData: null,
      meta: null,
      tags: [],
      shared: [],
      activeVersion: null,
    };
    this.workflows.set(id, made);
    return made;
  }

  #activate(found: Row, what: "activate" | "deactivate"): Response {
    const id = String(found["id"]);
    const active = what === "activate";
    const taken = hooksOf(found).find(({ parameters }) => {
      const other = this.#hookAt(String(parameters["path"]));
      return other !== undefined && other.workflow !== found;
    });
    if (active && taken !== undefined)
      return refused(409, "There is a conflict with one of the webhooks.");
    Object.assign(found, { active, triggerCount: active ? 1 : found["triggerCount"] });
    // The webhooks follow a moment later.
    this.#liveAtMs.set(id, this.#clock.now() + 200);
    const { tags: _tags, shared: _shared, ...shown } = found;
    return jsonResponse(active ? shown : { ...shown, shared: [] });
  }

  async #webhook({ method, url, json, headers }: SeenRequest): Promise<Response> {
    const path = decodeURIComponent(url.pathname.slice("/webhook/".length));
    const hook = this.#hookAt(path);
    const id = String(hook?.workflow["id"]);
    if (hook === undefined || this.#clock.now() < Number(this.#liveAtMs.get(id)))
      return jsonResponse(
        {
          code: 404,
          message: `The requested webhook "${method} ${path}" is not registered.`,
          hint: "The workflow must be active for a production URL to run successfully.",
          stacktrace: "ResponseError",
        },
        { status: 404 },
      );
    const { httpMethod: wanted = "GET" } = hook.parameters;
    if (wanted !== method)
      return jsonResponse(
        {
          code: 404,
          message: `This webhook is not registered for ${method} requests. Did you mean to make a ${String(wanted)} request?`,
          stacktrace: "ResponseError",
        },
        { status: 404 },
      );
    if (hook.parameters["authentication"] === "headerAuth" && headers["x-hook"] !== "hook-secret")
      return new Response("Authorization data is wrong!", { status: 403 });
    const body = Object(json);
    const output = { hello: body.name ?? url.searchParams.get("name"), n: Number(body.n ?? 0) + 1 };
    const run = this.#start(hook.workflow, "webhook", { body: json, headers }, output);
    if (hook.parameters["responseMode"] !== "lastNode")
      return jsonResponse({ message: "Workflow was started" });
    if (this.nextTakesMs > 0) await this.#clock.wait(this.nextTakesMs);
    return run["status"] === "error"
      ? jsonResponse({ message: "Error in workflow" }, { status: 500 })
      : jsonResponse(output);
  }

  #hookAt(path: string): Hook | undefined {
    return [...this.workflows.values()]
      .filter(({ active }) => active === true)
      .flatMap(hooksOf)
      .find(({ parameters }) => parameters["path"] === path);
  }

  #start(workflow: Row, mode: string, input: Row, output: Row): Row {
    const startedMs = this.#clock.now();
    const id = String(this.executions.length + 1);
    const error = this.failing === undefined ? undefined : { message: this.failing };
    const last = String(nodesOf(workflow).at(-1)?.["name"]);
    const first = String(nodesOf(workflow)[0]?.["name"]);
    const runOf = (json: Row, more: Row = {}): Row[] => [
      {
        startTime: startedMs,
        executionTime: 3,
        executionStatus: "success",
        data: { main: [[{ json, pairedItem: { item: 0 } }]] },
        ...more,
      },
    ];
    const failed = error === undefined ? {} : { error, executionStatus: "error", data: null };
    const run = {
      id,
      finished: error === undefined,
      mode,
      retryOf: null,
      retrySuccessId: null,
      status: error === undefined ? "success" : "error",
      startedAt: this.#at(),
      stoppedAt: new Date(startedMs + this.nextTakesMs).toISOString(),
      workflowId: workflow["id"],
      waitTill: null,
      overAtMs: startedMs + this.nextTakesMs,
      data: {
        version: 1,
        resultData: {
          ...(error !== undefined && { error }),
          runData: { [first]: runOf(input), [last]: runOf(output, failed) },
          lastNodeExecuted: last,
        },
        resumeToken: "resume-token-of-tests",
      },
    };
    this.executions.push(run);
    return run;
  }

  #execution(request: SeenRequest, id: string | undefined, what: string | undefined): Response {
    const { method, url } = request;
    if (id === undefined) return this.#executionList(url);
    const found = this.executions.find((one) => one["id"] === id);
    if (found === undefined) return refused(404, "Not Found");
    const over = this.#isOver(found);
    if (what === "retry" && found["status"] !== "error")
      return refused(409, "The execution succeeded, so it cannot be retried.");
    if (what === "retry") {
      const workflow = this.workflows.get(String(found["workflowId"])) ?? {};
      this.failing = undefined;
      const retried = { ...this.#start(workflow, "retry", {}, { again: true }), retryOf: id };
      return jsonResponse(bare(retried));
    }
    if (what === "stop" && over)
      return refused(409, "The execution is already over, so it cannot be stopped.");
    if (what === "stop") {
      Object.assign(found, { status: "canceled", overAtMs: 0, stoppedAt: this.#at() });
      return jsonResponse({ mode: found["mode"], status: "canceled", finished: false });
    }
    if (method === "DELETE") this.executions.splice(this.executions.indexOf(found), 1);
    const shown = this.#shown(found);
    return jsonResponse(
      url.searchParams.get("includeData") === "true" ? { ...shown, data: found["data"] } : shown,
    );
  }

  #executionList(url: URL): Response {
    const workflowId = url.searchParams.get("workflowId");
    const status = url.searchParams.get("status");
    const rows = this.executions
      .filter((one) => workflowId === null || one["workflowId"] === workflowId)
      .map((one) => this.#shown(one))
      // Those under way are listed where they are asked for.
      .filter((one) => (status === null ? one["status"] !== "running" : one["status"] === status));
    return paged(rows.toReversed(), url);
  }

  #isOver(run: Row): boolean {
    return Number(run["overAtMs"]) <= this.#clock.now();
  }

  #shown(run: Row): Row {
    return this.#isOver(run)
      ? bare(run)
      : { ...bare(run), finished: false, status: "running", stoppedAt: null };
  }

  #credential(request: SeenRequest, id: string | undefined, what: string | undefined): Response {
    const { method, json } = request;
    if (id === "schema")
      return what === "httpHeaderAuth"
        ? jsonResponse({
            additionalProperties: false,
            type: "object",
            properties: {
              name: { type: "string" },
              value: { type: "string" },
              allowedHttpRequestDomains: { type: "string", enum: ["all", "domains", "none"] },
            },
            required: [],
          })
        : refused(404, "Not Found");
    if (method === "POST") {
      const { name, type } = Object(json);
      const made = { id: `cred${this.credentials.size + 1}`, name, type, createdAt: this.#at() };
      this.credentials.set(made.id, made);
      return jsonResponse(made);
    }
    return this.credentials.delete(String(id)) ? jsonResponse({}) : refused(404, "Not Found");
  }

  #mcp({ headers, json }: SeenRequest): Response {
    if (headers["authorization"] !== `Bearer ${mcpToken}`)
      return jsonResponse(
        { message: "Unauthorized: Authorization header not sent" },
        { status: 401, headers: { "www-authenticate": 'Bearer realm="n8n MCP Server"' } },
      );
    const { id, params } = Object(json);
    const { workflowId, inputs } = params.arguments;
    const workflow = this.workflows.get(workflowId);
    const available = Object(workflow?.["settings"]).availableInMCP === true;
    const told =
      workflow === undefined || !available
        ? { executionId: null, status: "error", error: "Workflow is not available in MCP" }
        : {
            executionId: this.#start(workflow, "mcp", {}, { given: inputs ?? null })["id"],
            status: "started",
          };
    const result = {
      content: [{ type: "text", text: JSON.stringify(told) }],
      structuredContent: told,
    };
    const event = JSON.stringify({ result, jsonrpc: "2.0", id });
    return new Response(`event: message\ndata: ${event}\n\n`, {
      headers: { "content-type": "text/event-stream" },
    });
  }

  #at(): string {
    return new Date(this.#clock.now()).toISOString();
  }
}

function hooksOf(workflow: Row): Hook[] {
  return nodesOf(workflow)
    .filter(({ type }) => type === "n8n-nodes-base.webhook")
    .map((node) => ({ workflow, parameters: Object(node["parameters"]) }));
}

function nodesOf(workflow: Row): Row[] {
  const { nodes } = workflow;
  return Array.isArray(nodes) ? nodes : [];
}

/** What n8n's schema has against a workflow that is written. */
function misfit(json: unknown, what: string | undefined): string | undefined {
  if (what !== undefined) return undefined;
  const given = Object(json);
  for (const needed of ["name", "nodes", "connections", "settings"])
    if (!(needed in given)) return `request/body must have required property '${needed}'`;
  for (const name of Object.keys(given))
    if (["active", "id", "createdAt", "tags"].includes(name))
      return `request/body/${name} is read-only`;
  return undefined;
}

// A cursor is the offset of the next page, in base64.
function paged(rows: readonly Row[], url: URL): Response {
  const limit = Number(url.searchParams.get("limit") ?? 100);
  if (limit > 250) return refused(400, "request/query/limit must be <= 250");
  const cursor = url.searchParams.get("cursor");
  const { offset = 0 } = cursor === null ? {} : JSON.parse(atob(cursor));
  const next = offset + limit < rows.length ? { limit, offset: offset + limit } : undefined;
  return jsonResponse({
    data: rows.slice(offset, offset + limit),
    nextCursor: next === undefined ? null : btoa(JSON.stringify(next)),
  });
}

function bare({ data: _data, overAtMs: _overAtMs, ...shown }: Row): Row {
  return shown;
}

function refused(status: number, message: string): Response {
  return jsonResponse({ message }, { status });
}
