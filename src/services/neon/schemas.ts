// What is read of Neon's answers, and how it is told: names as the tools of this service have them.
import { z } from "zod";

export const project = z.object({
  id: z.string(),
  name: z.string(),
  region_id: z.string(),
  pg_version: z.number(),
  created_at: z.string(),
  updated_at: z.string(),
});

export const branch = z.object({
  id: z.string(),
  name: z.string(),
  parent_id: z.string().optional(),
  current_state: z.string(),
  pending_state: z.string().optional(),
  default: z.boolean().optional(),
  primary: z.boolean().optional(),
  protected: z.boolean().optional(),
  created_at: z.string(),
  expires_at: z.string().optional(),
});

export const database = z.object({
  name: z.string(),
  owner_name: z.string(),
  created_at: z.string(),
});

export const endpoint = z.object({
  id: z.string(),
  host: z.string(),
  branch_id: z.string(),
  type: z.string(),
  current_state: z.string(),
});

export const operation = z.object({
  id: z.string(),
  action: z.string(),
  status: z.string(),
  branch_id: z.string().optional(),
  failures_count: z.number().optional(),
  error: z.string().optional(),
  created_at: z.string(),
});

/** What Neon does in the background for a change; nothing where it was done at once. */
export const withOperations = z.object({ operations: z.array(operation).default([]) });

export const toldProject = z.object({
  id: z.string(),
  name: z.string(),
  region: z.string(),
  postgres: z.number().describe("PostgreSQL's major version"),
  createdAt: z.string(),
  updatedAt: z.string(),
});

export const toldBranch = z.object({
  id: z.string(),
  name: z.string(),
  parentId: z.string().optional(),
  state: z.string().describe("ready, init, archived, ..."),
  default: z.boolean(),
  protected: z.boolean(),
  createdAt: z.string(),
  expiresAt: z.string().optional(),
});

export const toldDatabase = z.object({
  name: z.string(),
  owner: z.string(),
  createdAt: z.string(),
});

export const toldOperation = z.object({
  id: z.string(),
  action: z.string(),
  status: z.string().describe("scheduling, running, finished, failed, error, cancelled, skipped"),
  branchId: z.string().optional(),
  error: z.string().optional(),
  createdAt: z.string(),
});

export function tellProject(one: z.output<typeof project>): z.output<typeof toldProject> {
  return {
    id: one.id,
    name: one.name,
    region: one.region_id,
    postgres: one.pg_version,
    createdAt: one.created_at,
    updatedAt: one.updated_at,
  };
}

export function tellBranch(one: z.output<typeof branch>): z.output<typeof toldBranch> {
  return {
    id: one.id,
    name: one.name,
    ...(one.parent_id !== undefined && { parentId: one.parent_id }),
    state: one.current_state,
    default: one.default ?? one.primary ?? false,
    protected: one.protected ?? false,
    createdAt: one.created_at,
    ...(one.expires_at !== undefined && { expiresAt: one.expires_at }),
  };
}

export function tellDatabase(one: z.output<typeof database>): z.output<typeof toldDatabase> {
  return { name: one.name, owner: one.owner_name, createdAt: one.created_at };
}

export function tellOperation(one: z.output<typeof operation>): z.output<typeof toldOperation> {
  return {
    id: one.id,
    action: one.action,
    status: one.status,
    ...(one.branch_id !== undefined && { branchId: one.branch_id }),
    ...(one.error !== undefined && { error: one.error }),
    createdAt: one.created_at,
  };
}
