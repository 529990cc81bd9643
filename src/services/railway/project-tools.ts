import { ServiceError } from "@signalbox/kit";
import { z } from "zod";
import { connectionOf, upTo } from "./connection.ts";
import { documents } from "./documents.ts";
import { environmentOf, projectOf, tool } from "./runtime.ts";

export const projectId = z
  .string()
  .min(1)
  .optional()
  .describe("Default RAILWAY_PROJECT_ID, or the token's project");
export const environmentId = z
  .string()
  .min(1)
  .optional()
  .describe("Default RAILWAY_ENVIRONMENT_ID, or the token's environment");
const limit = z.int().min(1).max(500).default(50).describe("How many at most");

const project = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string().nullish(),
  createdAt: z.string(),
  updatedAt: z.string(),
});

export const projectList = tool({
  name: "project_list",
  title: "Projects",
  description: "Lists the Railway projects that the token reaches.",
  input: z.object({
    workspaceId: z
      .string()
      .min(1)
      .optional()
      .describe("Only those of a workspace; whoami names them"),
    limit,
  }),
  output: z.object({ projects: z.array(project), more: z.boolean() }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 500,
  handler: async ({ workspaceId, limit: max }, { runtime, signal }) => {
    const scope = await runtime.scope(signal);
    if (scope.kind === "project") {
      const own = z.object({ project });
      const found = await runtime.ask(documents.project, { id: scope.projectId }, own, signal);
      return { projects: [found.project], more: false };
    }
    const { items, more } = await upTo(
      runtime,
      { document: documents.projects, variables: { workspaceId }, limit: max, signal },
      connectionOf(project),
      ["projects"],
    );
    return { projects: items, more };
  },
});

const latest = z.object({ id: z.string(), status: z.string() }).nullish();
const service = z.object({
  id: z.string(),
  name: z.string(),
  serviceInstances: connectionOf(z.object({ environmentId: z.string(), latestDeployment: latest })),
});

export const serviceList = tool({
  name: "service_list",
  title: "Services",
  description:
    "Lists a project's services with the environments they are in and their latest deployment in each.",
  input: z.object({ projectId, limit }),
  output: z.object({
    services: z.array(
      z.object({
        id: z.string(),
        name: z.string(),
        environmentId: z
          .string()
          .nullable()
          .describe("The environment meant by default, else the first; null where it is in none"),
        environments: z.array(
          z.object({
            environmentId: z.string(),
            deploymentId: z.string().optional(),
            status: z.string().optional(),
          }),
        ),
      }),
    ),
    more: z.boolean(),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 600,
  handler: async (input, { runtime, signal }) => {
    const id = await projectOf(input.projectId, runtime, signal);
    const scope = await runtime.scope(signal);
    const usual =
      runtime.options.environment_id ??
      (scope.kind === "project" ? scope.environmentId : undefined);
    const { items, more } = await upTo(
      runtime,
      { document: documents.services, variables: { id }, limit: input.limit, signal },
      connectionOf(service),
      ["project", "services"],
    );
    return { services: items.map((one) => tellService(one, usual)), more };
  },
});

function tellService(
  { id, name, serviceInstances: { nodes } }: z.output<typeof service>,
  usual: string | undefined,
) {
  const found = nodes.find((one) => one.environmentId === usual) ?? nodes[0];
  return {
    id,
    name,
    environmentId: found?.environmentId ?? null,
    environments: nodes.map(({ environmentId: environment, latestDeployment }) => ({
      environmentId: environment,
      ...(latestDeployment && {
        deploymentId: latestDeployment.id,
        status: latestDeployment.status,
      }),
    })),
  };
}

const environment = z.object({
  id: z.string(),
  name: z.string(),
  isEphemeral: z.boolean().describe("Made for a pull request"),
  createdAt: z.string(),
});

export const environmentList = tool({
  name: "environment_list",
  title: "Environments",
  description: "Lists a project's environments: production, staging, those of pull requests.",
  input: z.object({ projectId, limit }),
  output: z.object({ environments: z.array(environment), more: z.boolean() }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 300,
  handler: async (input, { runtime, signal }) => {
    const variables = { projectId: await projectOf(input.projectId, runtime, signal) };
    const { items, more } = await upTo(
      runtime,
      { document: documents.environments, variables, limit: input.limit, signal },
      connectionOf(environment),
      ["environments"],
    );
    return { environments: items, more };
  },
});

const domain = z.object({ id: z.string(), domain: z.string(), targetPort: z.number().nullish() });

export const domainList = tool({
  name: "domain_list",
  title: "Domains",
  description: "Lists the addresses at which a service is reached: those of Railway and one's own.",
  input: z.object({ projectId, environmentId, serviceId: z.string().min(1) }),
  output: z.object({ railway: z.array(domain), custom: z.array(domain) }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 200,
  handler: async (input, { runtime, signal }) => {
    const { domains } = await runtime.ask(
      documents.domains,
      {
        projectId: await projectOf(input.projectId, runtime, signal),
        environmentId: await environmentOf(input.environmentId, runtime, signal),
        serviceId: input.serviceId,
      },
      z.object({
        domains: z.object({ serviceDomains: z.array(domain), customDomains: z.array(domain) }),
      }),
      signal,
    );
    return { railway: domains.serviceDomains, custom: domains.customDomains };
  },
});

const workspaces = z.array(z.object({ id: z.string(), name: z.string() }));

export const whoami = tool({
  name: "whoami",
  title: "Who am I",
  description:
    "Tells whose token is used: an account with its workspaces, a workspace, or one project's environment.",
  input: z.object({}),
  output: z.object({
    kind: z.enum(["account", "workspace", "project"]),
    account: z.object({ id: z.string(), name: z.string().nullish(), email: z.string() }).optional(),
    workspaces: workspaces.optional(),
    projectId: z.string().optional(),
    environmentId: z.string().optional(),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 100,
  handler: async (_input, { runtime, signal }) => {
    const scope = await runtime.scope(signal);
    if (scope.kind === "project") return scope;
    try {
      const { me } = await runtime.ask(documents.me, {}, z.object({ me: account }), signal);
      const { workspaces: own, ...who } = me;
      return { kind: "account" as const, account: who, workspaces: own };
    } catch (error) {
      if (!(error instanceof ServiceError) || error.kind !== "non_retryable") throw error;
      // A workspace's token may list projects but is nobody; one that may not even that is refused here.
      await runtime.ask(documents.projects, { first: 1 }, z.unknown(), signal);
      return { kind: "workspace" as const };
    }
  },
});

const account = z.object({
  id: z.string(),
  name: z.string().nullish(),
  email: z.string(),
  workspaces,
});
