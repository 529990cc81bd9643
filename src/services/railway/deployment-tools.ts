import { ToolError } from "@signalbox/kit";
import { z } from "zod";
import { connectionOf, upTo } from "./connection.ts";
import { deployment, isTerminal, tell, toldDeployment, type Deployment } from "./deployment.ts";
import { documents } from "./documents.ts";
import { environmentId, projectId } from "./project-tools.ts";
import { environmentOf, projectOf, tool, type Railway } from "./runtime.ts";

const deploymentId = z.string().min(1).describe("As deployment_list or deployment_trigger told it");
const statuses = z.enum([
  "QUEUED",
  "INITIALIZING",
  "WAITING",
  "NEEDS_APPROVAL",
  "BUILDING",
  "DEPLOYING",
  "SUCCESS",
  "SLEEPING",
  "FAILED",
  "CRASHED",
  "REMOVING",
  "REMOVED",
  "SKIPPED",
]);

export const deploymentList = tool({
  name: "deployment_list",
  title: "Deployments",
  description:
    "Lists the deployments of a project, the newest first; of one service, environment or status if so asked.",
  input: z.object({
    projectId,
    environmentId: z.string().min(1).optional().describe("Default all"),
    serviceId: z.string().min(1).optional().describe("Default all"),
    status: z.array(statuses).min(1).optional().describe("Default all"),
    limit: z.int().min(1).max(200).default(20).describe("How many at most"),
  }),
  output: z.object({ deployments: z.array(toldDeployment), more: z.boolean() }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  examples: [{ input: { status: ["FAILED", "CRASHED"], limit: 5 } }],
  cost: 1_200,
  handler: async ({ limit, status, ...of }, { runtime, signal }) => {
    const scope = await runtime.scope(signal);
    const input = {
      projectId: await projectOf(of.projectId, runtime, signal),
      // A project's token sees no environment but its own.
      environmentId:
        of.environmentId ?? (scope.kind === "project" ? scope.environmentId : undefined),
      serviceId: of.serviceId,
      ...(status !== undefined && { status: { in: status } }),
    };
    const { items, more } = await upTo(
      runtime,
      { document: documents.deployments, variables: { input }, limit, signal },
      connectionOf(deployment),
      ["deployments"],
    );
    return { deployments: items.map(tell), more };
  },
});

export const deploymentTrigger = tool({
  name: "deployment_trigger",
  title: "Deploy",
  description:
    "Begins a deployment of a service, of one commit if so asked, and gives its id; deployment_wait waits for its end.",
  input: z.object({
    projectId: projectId.describe("Not needed: the service says it"),
    serviceId: z.string().min(1).describe("service_list names them"),
    environmentId,
    commitSha: z
      .string()
      .regex(/^[0-9a-f]{7,40}$/i, "must be a commit's SHA")
      .optional()
      .describe("Default the branch's newest commit"),
  }),
  output: z.object({ id: z.string().describe("Of the deployment") }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: false,
    openWorldHint: true,
  },
  cost: 60,
  handler: async ({ serviceId, commitSha, ...of }, { runtime, signal }) => {
    const environment = await environmentOf(of.environmentId, runtime, signal);
    const { serviceInstanceDeployV2 } = await runtime.ask(
      documents.deploy,
      { serviceId, environmentId: environment, commitSha },
      z.object({ serviceInstanceDeployV2: z.string() }),
      signal,
    );
    return { id: serviceInstanceDeployV2 };
  },
});

export const deploymentStatus = tool({
  name: "deployment_status",
  title: "Deployment",
  description: "Tells how a deployment stands now.",
  input: z.object({ deploymentId }),
  output: toldDeployment,
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 120,
  handler: async ({ deploymentId: id }, { runtime, signal }) =>
    tell(await deploymentOf(runtime, id, signal)),
});

export const deploymentWait = tool({
  name: "deployment_wait",
  title: "Wait for a deployment",
  description:
    "Waits until a deployment is live or has ended, or the time is over, and tells how it stands: succeeded says whether it went well.",
  input: z.object({
    deploymentId,
    timeoutMs: z
      .int()
      .min(1_000)
      .max(3_600_000)
      .default(600_000)
      .describe("How long to wait at most"),
  }),
  output: toldDeployment.extend({
    timedOut: z.boolean().describe("Whether it was still under way when the time was over"),
    waitedMs: z.number(),
    hint: z.string().optional(),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  cost: 150,
  handler: async ({ deploymentId: id, timeoutMs }, context) => {
    const { runtime, signal } = context;
    const { clock } = runtime;
    const beganMs = clock.monotonicMs();
    for (let pollMs = pollFirstMs; ; pollMs = Math.min(pollMs * 1.5, pollMsMax)) {
      const found = await deploymentOf(runtime, id, signal);
      const waitedMs = Math.round(clock.monotonicMs() - beganMs);
      context.progress(waitedMs, timeoutMs, found.status);
      const over = isTerminal(found);
      const leftMs = timeoutMs - waitedMs;
      if (over || leftMs <= 0)
        return { ...tell(found), timedOut: !over, waitedMs, ...hintOn(found, over) };
      await clock.wait(Math.min(pollMs, leftMs), signal);
    }
  },
});

const pollFirstMs = 2_000;
const pollMsMax = 15_000;

function hintOn({ status }: Deployment, over: boolean): { hint?: string } {
  if (status === "NEEDS_APPROVAL") return { hint: "Somebody has to approve it in Railway." };
  if (status === "WAITING") return { hint: "It waits for the checks of its commit." };
  if (status === "FAILED") return { hint: "deployment_logs of type build tells why." };
  if (status === "CRASHED") return { hint: "deployment_logs of type deploy tells why." };
  return over ? {} : { hint: "Call deployment_wait again to go on waiting." };
}

const logLine = z.object({
  timestamp: z.string(),
  severity: z.string().nullish(),
  message: z.string().transform((text) => text.slice(0, messageMax)),
});
const httpLine = z.object({
  timestamp: z.string(),
  method: z.string(),
  path: z.string(),
  httpStatus: z.number(),
  totalDuration: z.number(),
});
const messageMax = 2_000;

export const deploymentLogs = tool({
  name: "deployment_logs",
  title: "Logs",
  description:
    "Reads a deployment's logs: of its build, of what runs, or of the requests to it. For later lines, ask again with since.",
  input: z.object({
    deploymentId,
    type: z.enum(["build", "deploy", "http"]).default("deploy"),
    limit: z.int().min(1).max(1000).default(100).describe("Lines at most"),
    filter: z
      .string()
      .min(1)
      .max(500)
      .optional()
      .describe('Text, or Railway\'s filter such as "@level:error"'),
    since: z.iso.datetime({ offset: true }).optional().describe("Only lines from then on"),
  }),
  output: z.object({
    lines: z.array(
      z.object({
        timestamp: z.string(),
        severity: z.string().nullish(),
        message: z.string(),
        status: z.number().optional().describe("HTTP status, of type http"),
        durationMs: z.number().optional().describe("Of type http"),
      }),
    ),
    last: z.string().nullable().describe("Time of the last line: since for what comes later"),
  }),
  annotations: { readOnlyHint: true, openWorldHint: true },
  examples: [{ input: { deploymentId: "d1", type: "build", filter: "error" } }],
  cost: 3_000,
  handler: async ({ deploymentId: id, type, ...how }, { runtime, signal }) => {
    const lines = (await readers[type](runtime, { id, ...how }, signal)).slice(-how.limit);
    return { lines, last: lines.at(-1)?.timestamp ?? null };
  },
});

type Variables = Readonly<Record<string, unknown>>;

const readers = {
  build: async ({ ask }: Railway, variables: Variables, signal: AbortSignal) => {
    const form = z.object({ buildLogs: z.array(logLine) });
    return (await ask(documents.buildLogs, variables, form, signal)).buildLogs;
  },
  deploy: async ({ ask }: Railway, variables: Variables, signal: AbortSignal) => {
    const form = z.object({ deploymentLogs: z.array(logLine) });
    return (await ask(documents.deployLogs, variables, form, signal)).deploymentLogs;
  },
  http: async ({ ask }: Railway, variables: Variables, signal: AbortSignal) => {
    const form = z.object({ httpLogs: z.array(httpLine) });
    const { httpLogs } = await ask(documents.httpLogs, variables, form, signal);
    return httpLogs.map(({ timestamp, method, path, httpStatus, totalDuration }) => ({
      timestamp,
      message: `${method} ${path}`.slice(0, messageMax),
      status: httpStatus,
      durationMs: totalDuration,
    }));
  },
};

const changes = {
  readOnlyHint: false,
  destructiveHint: true,
  idempotentHint: false,
  openWorldHint: true,
} as const;

export const deploymentRedeploy = tool({
  name: "deployment_redeploy",
  title: "Deploy again",
  description: "Deploys once more what a deployment had, and gives the new deployment.",
  input: z.object({ deploymentId }),
  output: toldDeployment,
  annotations: changes,
  cost: 120,
  handler: async ({ deploymentId: id }, { runtime, signal }) => {
    const before = await deploymentOf(runtime, id, signal);
    if (!before.canRedeploy) throw cannot(before, "be deployed again");
    const { deploymentRedeploy: made } = await runtime.ask(
      documents.redeploy,
      { id },
      z.object({ deploymentRedeploy: deployment }),
      signal,
    );
    return tell(made);
  },
});

const done = z.object({ deploymentId: z.string(), done: z.boolean() });

export const deploymentRestart = tool({
  name: "deployment_restart",
  title: "Restart",
  description: "Restarts what a deployment runs, without building it anew.",
  input: z.object({ deploymentId }),
  output: done,
  annotations: changes,
  cost: 40,
  handler: async ({ deploymentId: id }, { runtime, signal }) => {
    const form = z.object({ deploymentRestart: z.boolean() });
    const answer = await runtime.ask(documents.restart, { id }, form, signal);
    return { deploymentId: id, done: answer.deploymentRestart };
  },
});

export const deploymentRollback = tool({
  name: "deployment_rollback",
  title: "Roll back",
  description: "Makes an earlier deployment the live one again.",
  input: z.object({ deploymentId: deploymentId.describe("The earlier deployment to go back to") }),
  output: done,
  annotations: changes,
  cost: 40,
  handler: async ({ deploymentId: id }, { runtime, signal }) => {
    const to = await deploymentOf(runtime, id, signal);
    if (!to.canRollback) throw cannot(to, "be gone back to");
    const form = z.object({ deploymentRollback: z.boolean() });
    const answer = await runtime.ask(documents.rollback, { id }, form, signal);
    return { deploymentId: id, done: answer.deploymentRollback };
  },
});

export const deploymentCancel = tool({
  name: "deployment_cancel",
  title: "Cancel a deployment",
  description: "Cancels a deployment that is under way; what was live before stays live.",
  input: z.object({ deploymentId }),
  output: done,
  annotations: changes,
  cost: 40,
  handler: async ({ deploymentId: id }, { runtime, signal }) => {
    const now = await deploymentOf(runtime, id, signal);
    if (isTerminal(now)) throw cannot(now, "be cancelled");
    const form = z.object({ deploymentCancel: z.boolean() });
    const answer = await runtime.ask(documents.cancel, { id }, form, signal);
    return { deploymentId: id, done: answer.deploymentCancel };
  },
});

async function deploymentOf(
  runtime: Railway,
  id: string,
  signal: AbortSignal,
): Promise<Deployment> {
  const form = z.object({ deployment });
  return (await runtime.ask(documents.deployment, { id }, form, signal)).deployment;
}

function cannot({ id, status }: Deployment, what: string): ToolError {
  return new ToolError(
    `The deployment ${id} is ${status} and cannot ${what}. deployment_list names others.`,
    { code: "NOT_POSSIBLE" },
  );
}
