// A double of Railway for tests: tokens of both kinds with their headers, limits, connections in pages, deployments that go
// through their states as they are looked at, variables that change. With the vendor's schema it answers by GraphQL proper.
import { fakeFetch, jsonResponse, type FakeFetch, type SeenRequest } from "@signalbox/kit/testing";
import { Kind, graphql, parse, type GraphQLSchema, type ValueNode } from "graphql";
import { z } from "zod";

type Args = Readonly<Record<string, unknown>>;
type Resolver = (args: Args) => unknown;

export interface FakeDeployment {
  readonly id: string;
  readonly serviceId: string;
  readonly environmentId: string;
  /** What it will be at each look; the last stays. */
  states: string[];
}

export class FakeRailway {
  readonly accountToken = "account-token-of-tests";
  readonly projectToken = "project-token-of-tests";
  readonly workspaceToken = "workspace-token-of-tests";
  readonly web: FakeFetch;
  /** Answers that come before the real ones. */
  readonly next: Response[] = [];
  readonly deployments: FakeDeployment[] = [];
  readonly variables = new Map([
    ["MCP_KEY", "secret-value"],
    ["PORT", "8080"],
  ]);
  projects = 3;
  /** What a new deployment goes through. */
  states = ["QUEUED", "BUILDING", "DEPLOYING", "SUCCESS"];
  readonly #schema: GraphQLSchema | undefined;
  #who = "";
  #ids = 0;

  constructor(schema?: GraphQLSchema) {
    this.#schema = schema;
    this.web = fakeFetch((request) => this.next.shift() ?? this.#answer(request));
  }

  begin(states: string[], serviceId = "s1", environmentId = "e1"): FakeDeployment {
    const made = { id: `d${++this.#ids}`, serviceId, environmentId, states };
    this.deployments.unshift(made);
    return made;
  }

  async #answer({ headers, json }: SeenRequest): Promise<Response> {
    const { query, variables } = body.parse(json);
    this.#who = this.#whose(headers);
    if (this.#who === "") return refusal("Not Authorized");
    try {
      if (this.#schema === undefined)
        return jsonResponse({ data: this.#plainly(query, variables) });
      const answer = await graphql({
        schema: this.#schema,
        source: query,
        variableValues: variables,
        rootValue: this.#root,
      });
      return jsonResponse(answer);
    } catch (error) {
      return refusal(error instanceof Error ? error.message : String(error));
    }
  }

  #whose(headers: SeenRequest["headers"]): string {
    if (headers["project-access-token"] === this.projectToken) return "project";
    if (headers["authorization"] === `Bearer ${this.accountToken}`) return "account";
    return headers["authorization"] === `Bearer ${this.workspaceToken}` ? "workspace" : "";
  }

  /** The one field of a document, whole. */
  #plainly(query: string, variables: Args): Record<string, unknown> {
    const [definition] = parse(query).definitions;
    const field =
      definition?.kind === Kind.OPERATION_DEFINITION
        ? definition.selectionSet.selections[0]
        : undefined;
    if (field?.kind !== Kind.FIELD) throw new Error("not a document of this service");
    const valueOf = (value: ValueNode): unknown =>
      value.kind === Kind.VARIABLE ? variables[value.name.value] : undefined;
    const args = Object.fromEntries(
      (field.arguments ?? []).map((one) => [one.name.value, valueOf(one.value)]),
    );
    const resolver = this.#root[field.name.value];
    if (resolver === undefined) throw new Error(`no ${field.name.value}`);
    // Below the root only services and variables take arguments, those of the document.
    return { [field.name.value]: resolved(resolver(args), variables) };
  }

  readonly #root: Record<string, Resolver> = {
    projectToken: () => {
      if (this.#who !== "project") throw new Error("Project Token not found");
      return { projectId: "p0", environmentId: "e1" };
    },
    me: () => {
      if (this.#who !== "account") throw new Error("Not Authorized");
      return {
        id: "u1",
        name: "Ana",
        email: "ana@example.com",
        workspaces: [{ id: "w1", name: "Ana's" }],
      };
    },
    project: ({ id }) => {
      if (id !== "p0") throw new Error("Project not found");
      return {
        ...projectBody(0),
        services: (args: Args) => connection(["s1", "s2"].map(serviceBody), args),
      };
    },
    projects: (args) => {
      if (this.#who === "project") throw new Error("Not Authorized");
      return connection(
        Array.from({ length: this.projects }, (_, n) => projectBody(n)),
        args,
      );
    },
    environments: (args) =>
      connection(
        ["production", "staging"].map((name, at) => ({
          id: `e${at + 1}`,
          name,
          isEphemeral: false,
          createdAt: at0,
        })),
        args,
      ),
    environment: () => ({
      variables: (args: Args) =>
        connection(
          [...this.variables.keys()].map((name) => ({
            name,
            isSealed: false,
            serviceId: name === "PORT" ? null : "s1",
            updatedAt: at0,
          })),
          args,
        ),
    }),
    deployments: (args) => {
      const { serviceId, status } = listing.parse(args["input"]);
      const found = this.deployments.filter(
        (one) =>
          (serviceId === undefined || one.serviceId === serviceId) &&
          (status === undefined || status.in.includes(one.states[0] ?? "")),
      );
      return connection(found.map(deploymentBody), args);
    },
    deployment: ({ id }) => this.#look(id),
    serviceInstanceDeployV2: ({ serviceId, environmentId }) =>
      this.begin([...this.states], String(serviceId), String(environmentId)).id,
    deploymentRedeploy: ({ id }) => {
      const { serviceId, environmentId } = this.#found(id);
      return deploymentBody(this.begin([...this.states], serviceId, environmentId));
    },
    deploymentRestart: ({ id }) => this.#found(id) !== undefined,
    deploymentRollback: ({ id }) => this.#found(id) !== undefined,
    deploymentCancel: ({ id }) => {
      this.#found(id).states = ["REMOVED"];
      return true;
    },
    buildLogs: ({ limit }) => [logLine("building"), logLine("built")].slice(0, Number(limit)),
    deploymentLogs: ({ since }) => [logLine(since === undefined ? "listening" : "later")],
    httpLogs: () => [
      { timestamp: at0, method: "GET", path: "/health", httpStatus: 200, totalDuration: 12 },
    ],
    variableCollectionUpsert: ({ input }) => {
      const { variables } = upsert.parse(input);
      for (const [name, value] of Object.entries(variables)) this.variables.set(name, value);
      return true;
    },
    variableDelete: ({ input }) =>
      this.variables.delete(z.object({ name: z.string() }).parse(input).name),
    domains: () => ({
      serviceDomains: [{ id: "dom1", domain: "shop.up.railway.app", targetPort: 8080 }],
      customDomains: [{ id: "dom2", domain: "shop.example.com", targetPort: null }],
    }),
  };

  #found(id: unknown): FakeDeployment {
    const found = this.deployments.find((one) => one.id === id);
    if (found === undefined) throw new Error("Deployment not found");
    return found;
  }

  #look(id: unknown): unknown {
    const found = this.#found(id);
    const told = deploymentBody(found);
    if (found.states.length > 1) found.states.shift();
    return told;
  }
}

const body = z.object({
  query: z.string(),
  variables: z.record(z.string(), z.unknown()).default({}),
});
const listing = z.object({
  serviceId: z
    .string()
    .nullish()
    .transform((id) => id ?? undefined),
  status: z
    .object({ in: z.array(z.string()) })
    .nullish()
    .transform((one) => one ?? undefined),
});
const upsert = z.object({ variables: z.record(z.string(), z.string()) });
const at0 = "2026-01-01T00:00:00.000Z";

function refusal(message: string): Response {
  return jsonResponse({ errors: [{ message, extensions: { code: "INTERNAL" } }], data: null });
}

function resolved(value: unknown, variables: Args): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      typeof inner === "function" ? inner(variables) : inner,
    ]),
  );
}

function connection<Node>(nodes: readonly Node[], { first, after }: Args) {
  const from = typeof after === "string" ? Number(after) : 0;
  // Railway never gives more than so many at once.
  const to = from + Math.min(typeof first === "number" ? first : pageMax, pageMax);
  return {
    edges: nodes.slice(from, to).map((node) => ({ node })),
    pageInfo: { hasNextPage: to < nodes.length, endCursor: String(to) },
  };
}

const pageMax = 2;

function projectBody(n: number) {
  return { id: `p${n}`, name: `project ${n}`, description: null, createdAt: at0, updatedAt: at0 };
}

function serviceBody(id: string) {
  const latestDeployment = { id: "d0", status: "SUCCESS" };
  const instances = id === "s1" ? ["e2", "e1"] : [];
  return {
    id,
    name: `service ${id}`,
    serviceInstances: {
      edges: instances.map((environmentId) => ({ node: { environmentId, latestDeployment } })),
    },
  };
}

function deploymentBody({ id, serviceId, environmentId, states }: FakeDeployment) {
  const [status = "SUCCESS"] = states;
  return {
    id,
    status,
    createdAt: at0,
    staticUrl: null,
    url: null,
    projectId: "p0",
    environmentId,
    serviceId,
    canRedeploy: status !== "SKIPPED",
    canRollback: status === "REMOVED",
  };
}

function logLine(message: string) {
  return { timestamp: at0, severity: "info", message };
}
