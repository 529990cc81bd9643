import { ServiceError, ToolError, type ToolContext } from "@signalbox/kit";
import { z } from "zod";
import {
  executionOf,
  newestExecutions,
  outcome,
  outcomeOf,
  settledExecution,
  type VendorExecution,
} from "./execution.ts";
import { runMsMax, tool, type N8n } from "./runtime.ts";
import { callHook, webhooksOf, type Webhook } from "./webhook.ts";
import { findWorkflow, workflowInput, type VendorWorkflow } from "./workflow.ts";

const input = z.object({
  workflow: workflowInput,
  input: z
    .record(z.string(), z.unknown())
    .default({})
    .describe("What it is given: the body of its webhook, the fields of its form"),
  trigger: z.string().max(128).optional().describe("Name of the node to start at, of several"),
  wait: z.boolean().default(true).describe("Whether to wait until it is done"),
  timeoutMs: z.int().min(1_000).max(runMsMax).default(30_000).describe("How long to wait at most"),
  mode: z
    .enum(["production", "manual"])
    .default("production")
    .describe("manual runs the version in the editor, active or not; by n8n's MCP server only"),
});

const ran = outcome.extend({
  executionId: z
    .string()
    .optional()
    .describe("Absent where it is not known: the execution was not kept, or several ran at once"),
  status: z.string().describe("success, error, running, waiting ...; started where unknown"),
  via: z.enum(["webhook", "mcp"]),
  answer: z.unknown().optional().describe("What the webhook answered, as JSON or text"),
});

export const executeWorkflow = tool({
  name: "execute_workflow",
  title: "Run a workflow",
  description:
    "Runs a workflow of n8n, and tells what came of it: by its webhook where it is active and has one, else by n8n's MCP server. n8n's API itself cannot run workflows.",
  input,
  output: ran,
  annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: true },
  examples: [{ input: { workflow: "Check-in mail", input: { booking: "HM123" } } }],
  cost: 1_000,
  handler: async (asked, { runtime, signal }) => {
    const found = await findWorkflow(runtime.api, asked.workflow, signal);
    const way = wayTo(found, asked, runtime);
    return way.via === "webhook"
      ? await byWebhook(found, way.hook, asked, { runtime, signal })
      : await byMcp(found, asked, { runtime, signal });
  },
});

type Asked = z.output<typeof input>;
type Ran = z.output<typeof ran>;
type Call = Pick<ToolContext<N8n>, "runtime" | "signal">;
type Way = { readonly via: "webhook"; readonly hook: Webhook } | { readonly via: "mcp" };

function wayTo(found: VendorWorkflow, { mode, trigger }: Asked, runtime: N8n): Way {
  const { webUrl, hasWebhookHeaders, mcp } = runtime;
  const hooks = webhooksOf(found, webUrl).filter(
    ({ kind, node, path }) =>
      kind === "webhook" && !path.includes(":") && (trigger === undefined || node === trigger),
  );
  const open = hooks.filter(
    ({ authentication, live }) => live && (authentication === "none" || hasWebhookHeaders),
  );
  const hook = open.find(({ methods }) => methods.includes("POST")) ?? open[0];
  if (hook !== undefined && mode === "production") return { via: "webhook", hook };
  if (mcp !== undefined) return { via: "mcp" };
  const why =
    mode === "manual"
      ? "Only n8n's MCP server runs it in the mode manual"
      : hooks.length === 0
        ? "It has no webhook that it could be called by"
        : found.active
          ? "Its webhook asks for credentials: set webhook_headers"
          : "It is not active: activate_workflow makes its webhook live";
  throw new ToolError(
    `The workflow "${found.name}" cannot be run. ${why}; or set N8N_MCP_TOKEN, made in n8n under Settings, MCP access.`,
    { code: "N8N_NOT_RUNNABLE" },
  );
}

async function byWebhook(
  found: VendorWorkflow,
  hook: Webhook,
  asked: Asked,
  call: Call,
): Promise<Ran> {
  const { runtime, signal } = call;
  const { api, web, clock } = runtime;
  const untilMs = clock.monotonicMs() + asked.timeoutMs;
  const since = await newestId(api, found.id, signal);
  const answered = await answerOf(() => {
    const method = hook.methods.includes("POST") ? "POST" : (hook.methods[0] ?? "POST");
    const inQuery = method === "GET" || method === "HEAD";
    return callHook(web, clock, {
      method,
      path: hook.path,
      ...(inQuery ? { query: asTexts(asked.input) } : { body: asked.input }),
      // The workflow goes on, although nobody waits for its answer.
      timeoutMs: asked.wait ? asked.timeoutMs : quickMs,
      signal,
    });
  });
  const started = await startedSince(api, found.id, since, signal);
  if (started === undefined && answered.failed !== undefined) throw answered.failed;
  const seen =
    started === undefined || !asked.wait
      ? started
      : await settledExecution(api, clock, started.id, { untilMs, signal });
  return {
    via: "webhook" as const,
    ...told(seen, answered.failed === undefined ? "started" : "unknown"),
    ...("data" in answered && { answer: boundedAnswer(answered.data) }),
  };
}

async function byMcp(found: VendorWorkflow, asked: Asked, { runtime, signal }: Call): Promise<Ran> {
  const { api, mcp, clock } = runtime;
  if (mcp === undefined) throw new TypeError("there is no MCP server to run it");
  const untilMs = clock.monotonicMs() + asked.timeoutMs;
  const executionId = await mcp.run(
    {
      workflowId: found.id,
      executionMode: asked.mode,
      triggerNodeName: asked.trigger,
      inputs: mcpInputs(found, asked),
    },
    signal,
  );
  if (!asked.wait) return { via: "mcp" as const, executionId, status: "started" };
  const seen = await settledExecution(api, clock, executionId, { untilMs, signal });
  return { via: "mcp" as const, ...told(seen, "started") };
}

function told(seen: VendorExecution | undefined, otherwise: string): Omit<Ran, "via"> {
  return seen === undefined
    ? { status: otherwise }
    : { executionId: seen.id, status: executionOf(seen).status, ...outcomeOf(seen) };
}

/** What a webhook answered; a workflow that failed or took too long may have an execution all the same. */
async function answerOf(
  ask: () => Promise<{ data: unknown }>,
): Promise<{ data: unknown; failed?: undefined } | { failed: ServiceError }> {
  try {
    const { data } = await ask();
    return { data };
  } catch (error) {
    const went =
      error instanceof ServiceError && (error.kind === "timeout" || (error.status ?? 0) >= 500);
    if (!went) throw error;
    return { failed: error };
  }
}

async function newestId(api: N8n["api"], workflowId: string, signal: AbortSignal): Promise<number> {
  const newest = await Promise.all([
    newestExecutions(api, workflowId, { limit: 1 }, signal),
    newestExecutions(api, workflowId, { limit: 1, status: "running" }, signal),
  ]);
  return Math.max(0, ...newest.flat().map(({ id }) => Number(id)));
}

/** The one execution that a call has started; undefined where there is none, or it cannot be told from others. */
async function startedSince(
  api: N8n["api"],
  workflowId: string,
  since: number,
  signal: AbortSignal,
): Promise<VendorExecution | undefined> {
  for (const status of [undefined, "running"] as const) {
    const query = { limit: 20, ...(status !== undefined && { status }) };
    const newest = await newestExecutions(api, workflowId, query, signal);
    const mine = newest.filter(({ id, mode }) => Number(id) > since && mode === "webhook");
    if (mine.length > 0) return mine.length === 1 ? mine[0] : undefined;
  }
  return undefined;
}

function mcpInputs(
  found: VendorWorkflow,
  { input: given, trigger }: Asked,
): Record<string, unknown> | undefined {
  const [hook] = webhooksOf(found, "").filter(
    ({ node }) => trigger === undefined || node === trigger,
  );
  if (hook === undefined) return undefined;
  if (hook.kind === "form") return { formData: given };
  if (hook.kind === "chat") return { chatInput: chatText(given) };
  return { webhookData: { method: hook.methods[0], body: given } };
}

function chatText(given: Asked["input"]): string {
  const said = given["chatInput"] ?? given["message"];
  return typeof said === "string" ? said : JSON.stringify(given);
}

function asTexts(given: Asked["input"]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [
      name,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  );
}

/** An answer that is too long is given as the beginning of its text. */
export function boundedAnswer(data: unknown): unknown {
  const text = typeof data === "string" ? data : JSON.stringify(data ?? null);
  return text.length <= answerLengthMax ? (data ?? null) : `${text.slice(0, answerLengthMax)}…`;
}

const answerLengthMax = 50_000;
const quickMs = 1_000;
