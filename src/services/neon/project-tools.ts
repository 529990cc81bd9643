import { path, takeUpTo } from "@signalbox/kit";
import { z } from "zod";
import { inProject, projectOf } from "./place.ts";
import { tool } from "./runtime.ts";
import {
  endpoint,
  project,
  tellProject,
  tellOperation,
  toldOperation,
  toldProject,
  operation,
} from "./schemas.ts";
import { awaitOperations } from "./operations.ts";

const projectPage = z.object({
  projects: z.array(project),
  pagination: z.object({ cursor: z.string().optional() }).optional(),
});

export const listProjects = tool({
  name: "list_projects",
  title: "Projects",
  description:
    "Lists the Neon projects that the key reaches, all of them or those with a text in name or id.",
  input: z.object({
    search: z.string().min(1).optional().describe("Part of the name or the id"),
    orgId: z
      .string()
      .min(1)
      .optional()
      .describe("Only those of this organisation; a personal key needs it"),
    limit: z.int().min(1).max(1000).default(50).describe("How many at most"),
  }),
  output: z.object({
    projects: z.array(toldProject),
    more: z.boolean().describe("Whether there are more than were asked for"),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  examples: [{ input: { search: "shop" } }],
  cost: 1_000,
  handler: async ({ search, orgId, limit }, { runtime: { api }, signal }) => {
    const query = { search, org_id: orgId, limit: Math.min(limit + 1, 400) };
    const found = api.pages(
      { path: "/projects", query, signal },
      {
        items: (data) => projectPage.parse(data).projects,
        // The last page has a cursor too; the one after it is empty.
        next: ({ data }, request) => {
          const { projects, pagination } = projectPage.parse(data);
          const cursor = projects.length < query.limit ? undefined : pagination?.cursor;
          return cursor === undefined ? undefined : { ...request, query: { ...query, cursor } };
        },
        itemsMax: limit + 1,
      },
    );
    const { items, more } = await takeUpTo(found, limit);
    return { projects: items.map(tellProject), more };
  },
});

export const describeProject = tool({
  name: "describe_project",
  title: "Project",
  description:
    "Tells a project's region and PostgreSQL version, and its computes with their hosts and states.",
  input: z.object(inProject),
  output: z.object({
    project: toldProject,
    endpoints: z.array(
      z.object({
        id: z.string(),
        host: z.string(),
        branchId: z.string(),
        type: z.string().describe("read_write or read_only"),
        state: z.string().describe("active, idle or init"),
      }),
    ),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 300,
  handler: async (input, { runtime: { api, options }, signal }) => {
    const projectId = projectOf(input, options);
    const [{ project: found }, { endpoints }] = await Promise.all([
      api.ask({ path: path`/projects/${projectId}`, signal }, z.object({ project })),
      api.ask(
        { path: path`/projects/${projectId}/endpoints`, signal },
        z.object({ endpoints: z.array(endpoint) }),
      ),
    ]);
    return {
      project: tellProject(found),
      endpoints: endpoints.map((one) => ({
        id: one.id,
        host: one.host,
        branchId: one.branch_id,
        type: one.type,
        state: one.current_state,
      })),
    };
  },
});

const operationPage = z.object({
  operations: z.array(operation),
  pagination: z.object({ cursor: z.string().optional() }).optional(),
});

export const listOperations = tool({
  name: "list_operations",
  title: "Operations",
  description:
    "Lists what Neon has done and is doing in the background in a project, the newest first.",
  input: z.object({
    ...inProject,
    limit: z.int().min(1).max(500).default(20).describe("How many at most"),
  }),
  output: z.object({ operations: z.array(toldOperation), more: z.boolean() }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 800,
  handler: async ({ limit, ...place }, { runtime: { api, options }, signal }) => {
    const query = { limit: Math.min(limit + 1, 500) };
    const found = api.pages(
      { path: path`/projects/${projectOf(place, options)}/operations`, query, signal },
      {
        items: (data) => operationPage.parse(data).operations,
        next: ({ data }, request) => {
          const { operations, pagination } = operationPage.parse(data);
          const cursor = operations.length < query.limit ? undefined : pagination?.cursor;
          return cursor === undefined ? undefined : { ...request, query: { ...query, cursor } };
        },
        itemsMax: limit + 1,
      },
    );
    const { items, more } = await takeUpTo(found, limit);
    return { operations: items.map(tellOperation), more };
  },
});

export const waitForOperation = tool({
  name: "wait_for_operation",
  title: "Wait for an operation",
  description: "Waits until an operation is over, or the time is, and tells how it stands.",
  input: z.object({
    ...inProject,
    operationId: z.string().min(1).describe("As list_operations or a change told it"),
    timeoutMs: z.int().min(0).max(600_000).default(60_000).describe("How long to wait at most"),
  }),
  output: z.object({
    operation: toldOperation,
    ready: z
      .boolean()
      .describe("Whether it has been done; false while it runs, and where it failed"),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 100,
  handler: async ({ operationId, timeoutMs, ...place }, context) => {
    const { runtime, signal } = context;
    const projectId = projectOf(place, runtime.options);
    const { operation: now } = await runtime.api.ask(
      { path: path`/projects/${projectId}/operations/${operationId}`, signal },
      z.object({ operation }),
    );
    const { operations, ready } = await awaitOperations(
      runtime,
      projectId,
      { operations: [now] },
      { signal, timeoutMs, progress: (...told) => context.progress(...told) },
    );
    return { operation: tellOperation(operations[0] ?? now), ready };
  },
});
