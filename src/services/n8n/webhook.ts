// Where workflows can be called, as their nodes tell.
import { ServiceError, ToolError, path, type Clock, type RestClient } from "@signalbox/kit";
import { z } from "zod";
import type { VendorWorkflow } from "./workflow.ts";

export const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] as const;
export type Method = (typeof methods)[number];

export const webhook = z.object({
  workflowId: z.string(),
  workflow: z.string(),
  node: z.string(),
  kind: z.enum(["webhook", "form", "chat"]),
  methods: z.array(z.enum(methods)),
  path: z.string().describe("What call_webhook takes"),
  url: z.string(),
  testUrl: z.string().optional().describe("Live once, after the editor listens"),
  authentication: z.string().describe("none, or what it asks for"),
  respondsWhen: z.string().describe("onReceived: at once; lastNode, responseNode: when it is done"),
  live: z.boolean().describe("Whether the workflow is active and the node on"),
});
export type Webhook = z.output<typeof webhook>;

/** The webhooks, forms and chats of a workflow. */
export function webhooksOf(from: VendorWorkflow, webUrl: string): Webhook[] {
  return from.nodes.flatMap(({ name, type, webhookId, disabled, parameters }) => {
    const kind = kinds.get(type);
    if (kind === undefined) return [];
    const given = textOf(parameters["path"], webhookId ?? "").replaceAll(/^\/+|\/+$/g, "");
    const where =
      kind === "chat"
        ? `${webhookId ?? ""}/chat`
        : // With a parameter in it, a path stands below the webhook's own id.
          given.includes(":") && kind === "webhook"
          ? `${webhookId ?? ""}/${given}`
          : given;
    const prefix = kind === "form" ? "form" : "webhook";
    return [
      {
        workflowId: from.id,
        workflow: from.name,
        node: name,
        kind,
        methods: kind === "webhook" ? methodsOf(parameters["httpMethod"]) : ["POST" as const],
        path: where,
        url: `${webUrl}/${prefix}/${where}`,
        ...(kind !== "chat" && { testUrl: `${webUrl}/${prefix}-test/${where}` }),
        authentication: textOf(parameters["authentication"], "none"),
        respondsWhen: textOf(parameters["responseMode"], "onReceived"),
        live: from.active && disabled !== true,
      },
    ];
  });
}

export interface WebhookCall {
  readonly method: Method;
  readonly path: string;
  readonly body?: unknown;
  readonly query?: Readonly<Record<string, string | number | boolean>> | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The editor's, which is live once after it listens. */
  readonly test?: boolean | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Calls a webhook; one that is not registered is tried for a second more, since n8n says that a workflow is active a moment
 * before its webhooks are. Throws ToolError (N8N_WEBHOOK_NOT_LIVE), and ServiceError.
 */
export async function callHook(
  web: RestClient,
  clock: Clock,
  call: WebhookCall,
): Promise<{ status: number; contentType: string; data: unknown }> {
  const { method, body, query, headers = {}, test = false, timeoutMs, signal } = call;
  const segments = call.path.split("/").map((segment) => path`${segment}`);
  for (let attempt = 0; ; attempt++) {
    try {
      const answer = await web.request({
        method,
        path: `/${test ? "webhook-test" : "webhook"}/${segments.join("/")}`,
        ...(query !== undefined && { query }),
        ...(body !== undefined && { json: body }),
        headers,
        // Whatever the method, it starts a workflow.
        safe: false,
        timeoutMs,
        signal,
      });
      const contentType = answer.headers.get("content-type") ?? "";
      return { status: answer.status, contentType, data: answer.data };
    } catch (error) {
      if (!isUnregistered(error)) throw error;
      if (attempt >= registeredTries)
        throw new ToolError(
          `n8n has no live webhook ${method} ${call.path}. list_webhooks tells paths and methods; activate_workflow makes them live.`,
          { code: "N8N_WEBHOOK_NOT_LIVE", cause: error },
        );
      await clock.wait(registeredWaitMs, signal);
    }
  }
}

function isUnregistered(error: unknown): boolean {
  return (
    error instanceof ServiceError && error.status === 404 && /is not registered/.test(error.message)
  );
}

function textOf(value: unknown, otherwise: string): string {
  return typeof value === "string" && value !== "" ? value : otherwise;
}

function methodsOf(value: unknown): Method[] {
  const given: unknown[] = Array.isArray(value) ? value : [value ?? "GET"];
  const known = methods.filter((method) => given.includes(method));
  return known.length > 0 ? known : ["GET"];
}

const kinds: ReadonlyMap<string, Webhook["kind"]> = new Map([
  ["n8n-nodes-base.webhook", "webhook"],
  ["n8n-nodes-base.formTrigger", "form"],
  ["@n8n/n8n-nodes-langchain.chatTrigger", "chat"],
]);
const registeredTries = 5;
const registeredWaitMs = 200;
