// A double of Neon for tests: projects, branches with data of their own, operations that take a few looks to be over, the lock
// they hold, keys, limits, pages, and SQL at every branch's host, which SQLite answers where it speaks as PostgreSQL does.
import { DatabaseSync } from "node:sqlite";
import { fakeFetch, jsonResponse, type FakeFetch, type SeenRequest } from "@signalbox/kit/testing";
import { z } from "zod";

interface FakeBranch {
  readonly id: string;
  readonly name: string;
  readonly parentId: string | undefined;
  readonly databases: string[];
  readonly data: DatabaseSync;
  /** What was written, for branches that start from here. */
  readonly written: Query[];
}

interface FakeOperation {
  readonly id: string;
  readonly action: string;
  readonly branchId: string;
  /** Looks until it is over. */
  looks: number;
}

interface Query {
  readonly query: string;
  readonly params: (string | null)[];
}

export class FakeNeon {
  readonly projectId = "winter-frost-26518790";
  readonly branches: FakeBranch[] = [];
  readonly operations: FakeOperation[] = [];
  readonly web: FakeFetch;
  key = "napi-of-tests";
  password = "pa55-of-tests";
  /** Answers that come before the real ones. */
  readonly next: Response[] = [];
  projects = 1;
  /** What operations end with. */
  outcome = "finished";
  #ids = 0;

  constructor() {
    this.web = fakeFetch((request) => this.next.shift() ?? this.#answer(request));
    this.branches.push(this.#makeBranch("main", undefined));
  }

  get main(): FakeBranch {
    const [main] = this.branches;
    if (main === undefined) throw new Error("there is no branch");
    return main;
  }

  #makeBranch(name: string, parent: FakeBranch | undefined): FakeBranch {
    const data = new DatabaseSync(":memory:");
    data.function("version", () => "PostgreSQL 17.6");
    data.function("current_schema", () => "public");
    const written = [...(parent?.written ?? [])];
    for (const query of written) execute(data, query);
    return {
      id: `br-${name}-${++this.#ids}`,
      name,
      parentId: parent?.id,
      databases: [...(parent?.databases ?? ["neondb"])],
      data,
      written,
    };
  }

  #answer(request: SeenRequest): Response {
    const { url, headers } = request;
    if (url.pathname === "/sql") return this.#sql(request);
    if (headers["authorization"] !== `Bearer ${this.key}`)
      return refusal(401, "supplied credentials do not pass authentication");
    const [, , , ...parts] = url.pathname.split("/");
    const [, project, kind, id, below] = parts;
    if (project === undefined) return this.#projectPage(url);
    if (project !== this.projectId) return refusal(404, "project not found");
    if (request.method !== "GET" && this.operations.some(({ looks }) => looks > 0))
      return refusal(
        423,
        "project already has running conflicting operations, scheduling of new ones is prohibited",
      );
    const step = `${request.method} ${[kind, id === undefined ? "" : "id", below].filter(Boolean).join("/")}`;
    switch (step) {
      case "GET ":
        return jsonResponse({ project: projectBody(this.projectId) });
      case "GET endpoints":
        return jsonResponse({ endpoints: this.branches.map(endpointBody) });
      case "GET connection_uri":
        return this.#connection(url);
      case "GET operations":
        return jsonResponse({
          operations: this.operations.map((one) => this.#operationBody(one)),
          pagination: { cursor: "c" },
        });
      case "GET operations/id":
        return this.#look(id);
      case "GET branches":
        return jsonResponse({
          branches: this.branches
            .filter(({ name }) => name.includes(url.searchParams.get("search") ?? ""))
            .map(branchBody),
        });
      case "POST branches":
        return this.#create(request.json);
    }
    const branch = this.branches.find((one) => one.id === id);
    if (branch === undefined) return refusal(404, "branch not found");
    switch (step) {
      case "GET branches/id":
        return jsonResponse({ branch: branchBody(branch) });
      case "DELETE branches/id":
        this.branches.splice(this.branches.indexOf(branch), 1);
        return jsonResponse({
          branch: branchBody(branch),
          operations: [this.#begin("delete_timeline", branch)],
        });
      case "GET branches/id/databases":
        return jsonResponse({
          databases: branch.databases.map((name) => databaseBody(branch, name)),
        });
      case "POST branches/id/databases":
        return this.#createDatabase(branch, request.json);
      default:
        return refusal(404, `no ${step}`);
    }
  }

  #projectPage(url: URL): Response {
    const from = Number(url.searchParams.get("cursor") ?? 0);
    const limit = Number(url.searchParams.get("limit") ?? 10);
    const all = Array.from({ length: this.projects }, (_, n) =>
      n === 0 ? this.projectId : `other-${n}`,
    );
    const shown = all.slice(from, from + limit);
    return jsonResponse({
      projects: shown.map(projectBody),
      pagination: { cursor: String(from + shown.length) },
    });
  }

  #create(body: unknown): Response {
    const { branch, endpoints } = creation.parse(body);
    const parent = this.branches.find(({ id }) => id === (branch.parent_id ?? this.main.id));
    if (parent === undefined) return refusal(404, "parent branch not found");
    if (this.branches.some(({ name }) => name === branch.name))
      return refusal(409, `branch already exists with the provided name: ${branch.name}`);
    const made = this.#makeBranch(branch.name ?? `b${this.#ids}`, parent);
    this.branches.push(made);
    const operations = [this.#begin("create_branch", made)];
    if (endpoints.length > 0) operations.push(this.#begin("start_compute", made));
    return jsonResponse({ branch: branchBody(made), operations }, { status: 201 });
  }

  #createDatabase(branch: FakeBranch, body: unknown): Response {
    const { database } = databaseCreation.parse(body);
    branch.databases.push(database.name);
    return jsonResponse(
      {
        database: databaseBody(branch, database.name),
        operations: [this.#begin("apply_config", branch)],
      },
      { status: 201 },
    );
  }

  #begin(action: string, branch: FakeBranch): Record<string, unknown> {
    const made = { id: `op-${++this.#ids}`, action, branchId: branch.id, looks: 2 };
    this.operations.unshift(made);
    return this.#operationBody(made);
  }

  #look(id: string | undefined): Response {
    const found = this.operations.find((one) => one.id === id);
    if (found === undefined) return refusal(404, "operation not found");
    found.looks = Math.max(0, found.looks - 1);
    return jsonResponse({ operation: this.#operationBody(found) });
  }

  #operationBody({ id, action, branchId, looks }: FakeOperation): Record<string, unknown> {
    return {
      id,
      project_id: this.projectId,
      branch_id: branchId,
      action,
      status: looks > 0 ? "running" : this.outcome,
      failures_count: 0,
      created_at: "2026-01-01T00:00:00Z",
      updated_at: "2026-01-01T00:00:00Z",
      total_duration_ms: 0,
    };
  }

  #connection(url: URL): Response {
    const branch = this.branches.find(({ id }) => id === url.searchParams.get("branch_id"));
    const name = url.searchParams.get("database_name") ?? "";
    if (branch === undefined || !branch.databases.includes(name))
      return refusal(404, "database not found");
    const pooler = url.searchParams.get("pooled") === "true" ? "-pooler" : "";
    const role = url.searchParams.get("role_name");
    return jsonResponse({
      uri: `postgresql://${role}:${this.password}@ep-${branch.id}${pooler}.eu.aws.neon.tech/${name}?sslmode=require`,
    });
  }

  #sql(request: SeenRequest): Response {
    const uri = new URL(request.headers["neon-connection-string"] ?? "");
    if (uri.password !== this.password)
      return sqlRefusal("28P01", `password authentication failed for user '${uri.username}'`);
    const branch = this.branches.find(({ id }) => uri.hostname.startsWith(`ep-${id}.`));
    if (branch === undefined || request.url.hostname !== "api.eu.aws.neon.tech")
      return sqlRefusal("XX000", "The requested endpoint could not be found");
    const { queries } = batch.parse(request.json);
    const reads = request.headers["neon-batch-read-only"] === "true";
    branch.data.exec("begin");
    branch.data.exec(`pragma query_only = ${reads ? 1 : 0}`);
    try {
      const results = queries.map((query) => execute(branch.data, query));
      branch.data.exec("commit");
      if (!reads) branch.written.push(...queries);
      return jsonResponse({ results });
    } catch (error) {
      branch.data.exec("rollback");
      const message = error instanceof Error ? error.message : String(error);
      return sqlRefusal(stateOf(message), message);
    } finally {
      branch.data.exec("pragma query_only = 0");
    }
  }
}

const creation = z.object({
  branch: z.object({
    name: z.string().optional(),
    parent_id: z.string().optional(),
    expires_at: z.string().optional(),
  }),
  endpoints: z.array(z.object({ type: z.enum(["read_write", "read_only"]) })).default([]),
});
const databaseCreation = z.object({
  database: z.object({ name: z.string(), owner_name: z.string() }),
});
const batch = z.object({
  queries: z.array(z.object({ query: z.string(), params: z.array(z.string().nullable()) })),
});

function refusal(status: number, message: string): Response {
  return jsonResponse({ code: "", message, request_id: "r1" }, { status });
}

function sqlRefusal(code: string, message: string): Response {
  return jsonResponse(
    { message, code, severity: "ERROR", hint: null, detail: null, position: null },
    { status: 400 },
  );
}

function stateOf(message: string): string {
  if (message.includes("readonly")) return "25006";
  if (message.includes("UNIQUE")) return "23505";
  return message.includes("no such table") ? "42P01" : "42601";
}

/** One statement, by PostgreSQL's catalog where it asks for that, else by SQLite. */
function execute(data: DatabaseSync, { query, params }: Query): Record<string, unknown> {
  if (/;\s*\S/.test(query))
    throw new Error("cannot insert multiple commands into a prepared statement");
  const rows = catalogRows(data, query, params) ?? rowsOf(data, query, params);
  return {
    command: /^\w+/.exec(query.trimStart())?.[0].toUpperCase() ?? "",
    rowCount: rows.length,
    fields: Object.keys(rows[0] ?? {}).map((name) => ({ name, dataTypeID: 25 })),
    rows,
    rowAsArray: false,
  };
}

function rowsOf(data: DatabaseSync, query: string, params: (string | null)[]) {
  const own = query.replace(
    "bigint generated always as identity primary key",
    "integer primary key",
  );
  const named = Object.fromEntries(params.map((value, at) => [`$${at + 1}`, value]));
  return data.prepare(own).all(named);
}

function catalogRows(data: DatabaseSync, query: string, params: (string | null)[]) {
  const [first] = params;
  const tables = data.prepare("select name from sqlite_master where type = 'table'").all();
  if (query.startsWith("explain"))
    return [{ "QUERY PLAN": [{ Plan: { "Node Type": "Seq Scan", "Total Cost": 1 } }] }];
  if (query.includes("information_schema.tables"))
    return tables.filter(({ name }) => name === first).map(({ name }) => ({ table_name: name }));
  if (query.includes("pg_catalog.pg_class c join"))
    return query.includes("pg_index i")
      ? []
      : tables.map(({ name }) => ({ schema: "public", name, kind: "r", rows: -1 }));
  if (query.includes("pg_catalog.pg_attribute"))
    return data
      .prepare('select name, type, "notnull" as n, dflt_value as d from pragma_table_info($1)')
      .all({ $1: String(first).replaceAll('"', "") })
      .map(({ name, type, n, d }) => ({ name, type, nullable: n === 0, default: d }));
  if (query.includes("pg_catalog.pg_constraint"))
    return [{ name: "guests_pkey", definition: "PRIMARY KEY (id)" }];
  return query.includes("pg_catalog.pg_index")
    ? [{ name: "guests_pkey", definition: "CREATE UNIQUE INDEX guests_pkey ON guests (id)" }]
    : undefined;
}

function projectBody(id: string): Record<string, unknown> {
  return {
    id,
    name: id,
    region_id: "aws-eu-central-1",
    platform_id: "aws",
    pg_version: 17,
    created_at: "2026-01-01T00:00:00Z",
    updated_at: "2026-01-01T00:00:00Z",
  };
}

function branchBody({ id, name, parentId }: FakeBranch): Record<string, unknown> {
  return {
    id,
    name,
    ...(parentId !== undefined && { parent_id: parentId }),
    current_state: "ready",
    default: parentId === undefined,
    protected: false,
    created_at: "2026-01-01T00:00:00Z",
  };
}

function endpointBody({ id }: FakeBranch): Record<string, unknown> {
  return {
    id: `ep-${id}`,
    host: `ep-${id}.eu.aws.neon.tech`,
    branch_id: id,
    type: "read_write",
    current_state: "active",
  };
}

function databaseBody({ id }: FakeBranch, name: string): Record<string, unknown> {
  return {
    id: 1,
    branch_id: id,
    name,
    owner_name: "neondb_owner",
    created_at: "2026-01-01T00:00:00Z",
    updated_at: "2026-01-01T00:00:00Z",
  };
}
