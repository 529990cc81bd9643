import { path } from "@signalbox/kit";
import { z } from "zod";
import { awaitOperations } from "./operations.ts";
import { inBranch, inProject, projectOf } from "./place.ts";
import { tool } from "./runtime.ts";
import {
  branch,
  database,
  tellBranch,
  tellDatabase,
  tellOperation,
  toldBranch,
  toldDatabase,
  toldOperation,
  withOperations,
} from "./schemas.ts";

const changed = {
  ready: z.boolean().describe("Whether Neon has done all of it; else wait_for_operation waits on"),
  operations: z.array(toldOperation),
};

export const listBranches = tool({
  name: "list_branches",
  title: "Branches",
  description: "Lists a project's branches, all of them or those with a text in name or id.",
  input: z.object({
    ...inProject,
    search: z.string().min(1).optional().describe("Part of the name or the id"),
    limit: z.int().min(1).max(1000).default(100).describe("How many at most"),
  }),
  output: z.object({ branches: z.array(toldBranch), more: z.boolean() }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 800,
  handler: async ({ search, limit, ...place }, { runtime: { api, options }, signal }) => {
    const { branches } = await api.ask(
      { path: path`/projects/${projectOf(place, options)}/branches`, query: { search }, signal },
      z.object({ branches: z.array(branch) }),
    );
    return {
      branches: branches.slice(0, limit).map(tellBranch),
      more: branches.length > limit,
    };
  },
});

export const createBranch = tool({
  name: "create_branch",
  title: "Create a branch",
  description:
    "Makes a branch with the data of another one as it is now, and a compute to reach it, and waits until it can be used.",
  input: z.object({
    ...inProject,
    name: z.string().min(1).max(256).optional().describe("Default one that Neon chooses"),
    parentId: z
      .string()
      .min(1)
      .optional()
      .describe("Branch it starts from; default the project's default branch"),
    expiresAt: z.iso
      .datetime({ offset: true })
      .optional()
      .describe("When Neon deletes it by itself"),
    compute: z
      .boolean()
      .default(true)
      .describe("Whether it gets a compute; without one it takes no SQL"),
  }),
  output: z.object({ branch: toldBranch, ...changed }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: false,
    idempotentHint: false,
    openWorldHint: true,
  },
  examples: [{ input: { projectId: "winter-frost-26518790", name: "try-new-index" } }],
  cost: 300,
  handler: async ({ name, parentId, expiresAt, compute, ...place }, context) => {
    const { runtime, signal } = context;
    const projectId = projectOf(place, runtime.options);
    const made = await runtime.api.ask(
      {
        method: "POST",
        path: path`/projects/${projectId}/branches`,
        json: {
          branch: {
            ...(name !== undefined && { name }),
            ...(parentId !== undefined && { parent_id: parentId }),
            ...(expiresAt !== undefined && { expires_at: expiresAt }),
          },
          ...(compute && { endpoints: [{ type: "read_write" }] }),
        },
        signal,
      },
      withOperations.extend({ branch }),
    );
    const { operations, ready } = await awaitOperations(runtime, projectId, made, context);
    return { branch: tellBranch(made.branch), ready, operations: operations.map(tellOperation) };
  },
});

export const deleteBranch = tool({
  name: "delete_branch",
  title: "Delete a branch",
  description: "Deletes a branch with all its data and computes. This cannot be undone.",
  input: z.object({ ...inProject, branchId: z.string().min(1).describe("Id of the branch") }),
  output: z.object({ branch: toldBranch, ...changed }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: true,
  },
  cost: 300,
  handler: async ({ branchId, ...place }, context) => {
    const { runtime, signal } = context;
    const projectId = projectOf(place, runtime.options);
    const gone = await runtime.api.ask(
      { method: "DELETE", path: path`/projects/${projectId}/branches/${branchId}`, signal },
      withOperations.extend({ branch }),
    );
    const { operations, ready } = await awaitOperations(runtime, projectId, gone, context);
    return { branch: tellBranch(gone.branch), ready, operations: operations.map(tellOperation) };
  },
});

export const listDatabases = tool({
  name: "list_databases",
  title: "Databases",
  description: "Lists the databases of a branch with their owners.",
  input: z.object(inBranch),
  output: z.object({ branchId: z.string(), databases: z.array(toldDatabase) }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 150,
  handler: async (place, { runtime: { api, databases, options }, signal }) => {
    const branchId = await databases.branchOf(place, signal);
    const found = await api.ask(
      { path: path`/projects/${projectOf(place, options)}/branches/${branchId}/databases`, signal },
      z.object({ databases: z.array(database) }),
    );
    return { branchId, databases: found.databases.map(tellDatabase) };
  },
});

export const createDatabase = tool({
  name: "create_database",
  title: "Create a database",
  description: "Makes an empty database on a branch, and waits until it can be used.",
  input: z.object({
    ...inBranch,
    name: z.string().min(1).max(63),
    owner: z
      .string()
      .min(1)
      .describe("The role that owns it; list_databases tells those there are"),
  }),
  output: z.object({ database: toldDatabase, ...changed }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: false,
    idempotentHint: false,
    openWorldHint: true,
  },
  cost: 200,
  handler: async ({ name, owner, ...place }, context) => {
    const { runtime, signal } = context;
    const projectId = projectOf(place, runtime.options);
    const branchId = await runtime.databases.branchOf(place, signal);
    const made = await runtime.api.ask(
      {
        method: "POST",
        path: path`/projects/${projectId}/branches/${branchId}/databases`,
        json: { database: { name, owner_name: owner } },
        signal,
      },
      withOperations.extend({ database }),
    );
    const { operations, ready } = await awaitOperations(runtime, projectId, made, context);
    return {
      database: tellDatabase(made.database),
      ready,
      operations: operations.map(tellOperation),
    };
  },
});
