import { ServiceError, path, withoutFields, type Clock, type RestClient } from "@signalbox/kit";
import { z } from "zod";
import { orNotFound } from "./not-found.ts";

const item = z.looseObject({ json: z.record(z.string(), z.unknown()).default({}) });
const failure = z.looseObject({ message: z.string().nullish(), description: z.string().nullish() });
const nodeRun = z.looseObject({
  executionStatus: z.string().nullish(),
  executionTime: z.number().nullish(),
  error: failure.nullish(),
  data: z.looseObject({ main: z.array(z.array(item).nullable()).optional() }).nullish(),
});

/** An execution as n8n has it, as far as tools show it. */
export const vendorExecution = z.object({
  id: z.union([z.string(), z.number()]).transform(String),
  finished: z.boolean().nullish(),
  mode: z.string(),
  status: z.string().nullish(),
  workflowId: z.union([z.string(), z.number()]).transform(String),
  startedAt: z.string().nullish(),
  stoppedAt: z.string().nullish(),
  waitTill: z.string().nullish(),
  retryOf: z.union([z.string(), z.number()]).nullish(),
  data: z
    .looseObject({
      resultData: z
        .looseObject({
          error: failure.nullish(),
          lastNodeExecuted: z.string().nullish(),
          runData: z.record(z.string(), z.array(nodeRun)).nullish(),
        })
        .nullish(),
    })
    .nullish(),
});
export type VendorExecution = z.output<typeof vendorExecution>;

/** An execution as lists show it. */
export const execution = z.object({
  id: z.string(),
  workflowId: z.string(),
  status: z
    .string()
    .describe("new, running, waiting, success, error, crashed, canceled or unknown"),
  mode: z.string().describe("What started it: webhook, trigger, manual, retry ..."),
  startedAt: z.string().optional(),
  stoppedAt: z.string().optional(),
  durationMs: z.number().optional(),
  waitingUntil: z.string().optional(),
  retryOf: z.string().optional(),
});

export function executionOf(from: VendorExecution): z.output<typeof execution> {
  const { id, workflowId, mode, startedAt, stoppedAt, waitTill, retryOf } = from;
  const durationMs = Date.parse(stoppedAt ?? "") - Date.parse(startedAt ?? "");
  return {
    id,
    workflowId,
    status: from.status ?? (from.finished === true ? "success" : "unknown"),
    mode,
    ...(typeof startedAt === "string" && { startedAt }),
    ...(typeof stoppedAt === "string" && { stoppedAt }),
    ...(Number.isFinite(durationMs) && { durationMs }),
    ...(typeof waitTill === "string" && { waitingUntil: waitTill }),
    ...(retryOf !== undefined && retryOf !== null && { retryOf: String(retryOf) }),
  };
}

const outputItems = z.array(z.record(z.string(), z.unknown()));

/** What an execution did: its error, what its last node gave, and each node's runs. */
export const outcome = z.object({
  error: z.string().optional(),
  lastNode: z.string().optional(),
  output: outputItems.optional().describe("What the last node gave, the first 20 items"),
  cut: z.boolean().optional().describe("Whether there was more than is shown"),
});

export const nodeOutcome = z.object({
  node: z.string(),
  runs: z.number(),
  status: z.string(),
  durationMs: z.number(),
  items: z.number().describe("In all runs"),
  error: z.string().optional(),
});

export function outcomeOf(from: VendorExecution): z.output<typeof outcome> {
  const result = from.data?.resultData;
  const lastNode = result?.lastNodeExecuted ?? undefined;
  const error = errorText(result?.error);
  const last = lastNode === undefined ? undefined : result?.runData?.[lastNode]?.at(-1);
  const items = (last?.data?.main ?? []).flatMap((branch) => branch ?? []);
  const { shown, cut } = bounded(items.map(({ json }) => json));
  return {
    ...(error !== undefined && { error }),
    ...(lastNode !== undefined && { lastNode, output: shown }),
    ...(cut && { cut }),
  };
}

export function nodeOutcomesOf(from: VendorExecution): z.output<typeof nodeOutcome>[] {
  const runData = Object.entries(from.data?.resultData?.runData ?? {});
  return runData.slice(0, nodesMax).map(([name, runs]) => {
    const error = errorText(runs.map((run) => run.error).find((one) => one !== undefined));
    return {
      node: name,
      runs: runs.length,
      status: runs.at(-1)?.executionStatus ?? "unknown",
      durationMs: runs.reduce((sum, run) => sum + (run.executionTime ?? 0), 0),
      items: runs
        .flatMap((run) => run.data?.main ?? [])
        .reduce((sum, branch) => sum + (branch?.length ?? 0), 0),
      ...(error !== undefined && { error }),
    };
  });
}

function errorText(error: z.output<typeof failure> | null | undefined): string | undefined {
  if (error === undefined || error === null) return undefined;
  return [error.message, error.description]
    .filter((part) => typeof part === "string" && part !== "")
    .join(": ")
    .slice(0, 1_000);
}

/** As many items as fit an answer; credentials that a request brought in are taken out. */
export function bounded(items: readonly Record<string, unknown>[]): {
  shown: Record<string, unknown>[];
  cut: boolean;
} {
  const shown: Record<string, unknown>[] = [];
  let length = 0;
  for (const one of items.slice(0, itemsMax)) {
    const clean = record.parse(withoutFields(one, secretFields));
    length += JSON.stringify(clean).length;
    if (length > outputLengthMax) break;
    shown.push(clean);
  }
  return { shown, cut: shown.length < items.length };
}

/** One execution; throws ToolError where there is none. */
export async function getExecutionOf(
  api: RestClient,
  id: string,
  includeData: boolean,
  signal: AbortSignal,
): Promise<VendorExecution> {
  const asked = api.ask(
    {
      path: path`/api/v1/executions/${id}`,
      ...(includeData && { query: { includeData } }),
      signal,
    },
    vendorExecution,
  );
  return await orNotFound(
    asked,
    `There is no execution ${id}. list_executions names them; those that succeed may not be kept, by the workflow's settings.`,
  );
}

/** An execution as soon as it is over, or as it is after `untilMs` of the monotonic clock. */
export async function settledExecution(
  api: RestClient,
  clock: Clock,
  id: string,
  { untilMs, signal }: { untilMs: number; signal: AbortSignal },
): Promise<VendorExecution> {
  for (let waitMs = 200; ; waitMs = Math.min(waitMs * 2, 3_000)) {
    const found = await getExecutionOf(api, id, false, signal);
    if (!underWay.has(found.status ?? "")) return await getExecutionOf(api, id, true, signal);
    if (clock.monotonicMs() + waitMs > untilMs) return found;
    await clock.wait(waitMs, signal);
  }
}

/** The newest executions of a workflow; those under way are listed only where they are asked for. */
export async function newestExecutions(
  api: RestClient,
  workflowId: string,
  query: { limit: number; status?: "running" },
  signal: AbortSignal,
): Promise<VendorExecution[]> {
  try {
    const { data } = await api.ask(
      { path: "/api/v1/executions", query: { workflowId, ...query }, signal },
      z.object({ data: z.array(vendorExecution) }),
    );
    return data;
  } catch (error) {
    // An n8n that does not know the status yet.
    if (query.status !== undefined && error instanceof ServiceError && error.status === 400)
      return [];
    throw error;
  }
}

const record = z.record(z.string(), z.unknown());
const underWay: ReadonlySet<string> = new Set(["new", "running"]);
const secretFields = [
  "authorization",
  "proxy-authorization",
  "cookie",
  "set-cookie",
  "x-api-key",
  "x-n8n-api-key",
  "resumeToken",
];
const itemsMax = 20;
const nodesMax = 100;
const outputLengthMax = 50_000;
