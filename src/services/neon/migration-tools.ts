import { ToolError, path } from "@signalbox/kit";
import { z } from "zod";
import { apply, appliedIn, migration, pendingOf } from "./migrations.ts";
import { awaitOperations } from "./operations.ts";
import { inDatabase, projectOf } from "./place.ts";
import { tool, type Neon } from "./runtime.ts";
import { branch, tellBranch, toldBranch, withOperations } from "./schemas.ts";

const migrations = z.array(migration).min(1).max(100).describe("In the order to apply them");

export const runMigrations = tool({
  name: "run_migrations",
  title: "Run pending migrations",
  description:
    "Applies those of the migrations that the database does not have yet, each in one transaction. To try them first: prepare_migration.",
  input: z.object({
    ...inDatabase,
    migrations,
    dryRun: z.boolean().default(false).describe("Only tell which would be applied"),
  }),
  output: z.object({
    applied: z
      .array(z.string())
      .describe("Ids of those applied now; of those that would be, with dryRun"),
    before: z.array(z.string()).describe("Ids of those that the database had already"),
  }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: true,
  },
  examples: [
    {
      input: {
        migrations: [
          {
            id: "0001-guests",
            statements: ["create table guests (id bigint primary key, name text)"],
          },
        ],
      },
    },
  ],
  cost: 200,
  handler: async ({ migrations: given, dryRun, ...place }, context) => {
    const { runtime, signal } = context;
    const before = await appliedIn(runtime, place, signal);
    const pending = pendingOf(given, before);
    const onApplied = (done: number) =>
      context.progress(done, pending.length, "migrations applied");
    if (!dryRun) await apply(runtime, place, pending, { signal, onApplied });
    return { applied: pending.map(({ id }) => id), before: before.map(({ id }) => id) };
  },
});

export const prepareMigration = tool({
  name: "prepare_migration",
  title: "Try migrations on a branch",
  description:
    "Makes a branch, applies the migrations to it and leaves the parent as it is. Look at the branch with query, then complete_migration.",
  input: z.object({ ...inDatabase, migrations }),
  output: z.object({
    branch: toldBranch,
    applied: z.array(z.string()).describe("Ids of those applied on the branch"),
  }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: false,
    idempotentHint: false,
    openWorldHint: true,
  },
  cost: 300,
  handler: async ({ migrations: given, ...place }, context) => {
    const { runtime, signal, requestId } = context;
    const { api, databases, options } = runtime;
    const projectId = projectOf(place, options);
    const parentId = await databases.branchOf(place, signal);
    const pending = pendingOf(
      given,
      await appliedIn(runtime, { ...place, branchId: parentId }, signal),
    );
    if (pending.length === 0)
      throw new ToolError("The database has all of these migrations already.", {
        code: "NOTHING_PENDING",
      });
    const made = await api.ask(
      {
        method: "POST",
        path: path`/projects/${projectId}/branches`,
        json: {
          branch: { name: `${prefix}${requestId.slice(0, 60)}`, parent_id: parentId },
          endpoints: [{ type: "read_write" }],
        },
        signal,
      },
      withOperations.extend({ branch }),
    );
    const on = { ...place, projectId, branchId: made.branch.id };
    try {
      const { ready } = await awaitOperations(runtime, projectId, made, context);
      if (!ready)
        throw new ToolError("Neon did not get the branch ready in time. Try again.", {
          code: "BRANCH_NOT_READY",
        });
      const onApplied = (done: number) =>
        context.progress(done, pending.length, "migrations applied");
      await apply(runtime, on, pending, { signal, onApplied });
    } catch (error) {
      // Also where the caller has given up: a branch that nobody knows of costs money.
      const tidy = AbortSignal.timeout(options.timeout);
      await dropBranch(runtime, projectId, made.branch.id, tidy).catch(() => {});
      throw error;
    }
    return { branch: tellBranch(made.branch), applied: pending.map(({ id }) => id) };
  },
});

export const completeMigration = tool({
  name: "complete_migration",
  title: "Complete migrations tried on a branch",
  description:
    "Applies what prepare_migration tried to the branch's parent and deletes the branch; with apply false it only deletes it.",
  input: z.object({
    ...inDatabase,
    branchId: z.string().min(1).describe("As prepare_migration told it"),
    apply: z.boolean().default(true).describe("false throws the migrations away"),
  }),
  output: z.object({
    parentId: z.string(),
    applied: z.array(z.string()).describe("Ids of those applied to the parent"),
  }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: false,
    openWorldHint: true,
  },
  cost: 150,
  handler: async ({ branchId, apply: wanted, ...place }, context) => {
    const { runtime, signal } = context;
    const projectId = projectOf(place, runtime.options);
    const { branch: tried } = await runtime.api.ask(
      { path: path`/projects/${projectId}/branches/${branchId}`, signal },
      z.object({ branch }),
    );
    const parentId = tried.parent_id;
    if (parentId === undefined || !tried.name.startsWith(prefix))
      throw new ToolError(`The branch ${branchId} was not made by prepare_migration.`, {
        code: "NOT_A_MIGRATION",
      });
    const applied = wanted ? await handOn() : [];
    await dropBranch(runtime, projectId, branchId, signal);
    return { parentId, applied };

    async function handOn(): Promise<string[]> {
      const to = { ...place, projectId, branchId: parentId };
      const done = await appliedIn(runtime, { ...place, projectId, branchId }, signal);
      const pending = pendingOf(done, await appliedIn(runtime, to, signal));
      const onApplied = (count: number) =>
        context.progress(count, pending.length, "migrations applied");
      await apply(runtime, to, pending, { signal, onApplied });
      return pending.map(({ id }) => id);
    }
  },
});

const prefix = "signalbox-migration-";

async function dropBranch(
  { api }: Neon,
  projectId: string,
  branchId: string,
  signal: AbortSignal,
): Promise<void> {
  await api.request({
    method: "DELETE",
    path: path`/projects/${projectId}/branches/${branchId}`,
    signal,
  });
}
