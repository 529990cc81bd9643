import { ToolError } from "@signalbox/kit";
import { z } from "zod";
import type { NeonOptions } from "./settings.ts";

const projectId = z
  .string()
  .min(1)
  .optional()
  .describe("Id of the project, such as winter-frost-26518790; default NEON_PROJECT_ID");

const branchId = z
  .string()
  .min(1)
  .optional()
  .describe(
    "Id of the branch, such as br-late-rice-a5cf06kb; default the project's default branch",
  );

/** Which project. */
export const inProject = { projectId };

/** Which branch of which project. */
export const inBranch = { projectId, branchId };

/** Which database of which branch. */
export const inDatabase = {
  projectId,
  branchId,
  database: z.string().min(1).optional().describe("Default neondb, else the branch's first"),
  role: z.string().min(1).optional().describe("Role to log in as; default the database's owner"),
};

/** Where SQL runs; what is undefined is as the settings have it, else as Neon has it. */
export interface Place {
  readonly projectId?: string | undefined;
  readonly branchId?: string | undefined;
  readonly database?: string | undefined;
  readonly role?: string | undefined;
}

/** The project meant; throws ToolError where neither the call nor the settings name one. */
export function projectOf(place: Place, options: NeonOptions): string {
  const id = place.projectId ?? options.project_id;
  if (id !== undefined) return id;
  throw new ToolError(
    "Which project? Give projectId, or set NEON_PROJECT_ID. list_projects names them.",
    { code: "ARGUMENTS_INVALID" },
  );
}

/** The branch that the call names, or the settings for their own project. */
export function branchOf(place: Place, options: NeonOptions): string | undefined {
  const own = place.projectId === undefined || place.projectId === options.project_id;
  return place.branchId ?? (own ? options.branch_id : undefined);
}
