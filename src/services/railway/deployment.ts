import { z } from "zod";

export const deployment = z.object({
  id: z.string(),
  status: z.string(),
  createdAt: z.string(),
  staticUrl: z.string().nullish(),
  url: z.string().nullish(),
  projectId: z.string(),
  environmentId: z.string(),
  serviceId: z.string().nullish(),
  canRedeploy: z.boolean(),
  canRollback: z.boolean(),
});

export type Deployment = z.output<typeof deployment>;

export const toldDeployment = deployment.extend({
  status: z
    .string()
    .describe(
      "QUEUED, INITIALIZING, WAITING, NEEDS_APPROVAL, BUILDING, DEPLOYING, SUCCESS, SLEEPING, FAILED, CRASHED, REMOVING, REMOVED or SKIPPED",
    ),
  terminal: z.boolean().describe("Whether it stays so by itself"),
  succeeded: z.boolean().describe("Whether it is live, be it asleep"),
});

/** A deployment with what its status means. */
export function tell(one: Deployment): z.output<typeof toldDeployment> {
  return { ...one, terminal: isTerminal(one), succeeded: live.has(one.status) };
}

export function isTerminal({ status }: Deployment): boolean {
  return live.has(status) || ended.has(status);
}

const live: ReadonlySet<string> = new Set(["SUCCESS", "SLEEPING"]);
const ended: ReadonlySet<string> = new Set(["FAILED", "CRASHED", "REMOVED", "SKIPPED"]);
