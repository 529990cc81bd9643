import { z } from "zod";
import { authorization, refusal, unreachable } from "../api-client.ts";
import { parseExact } from "../exact-json.ts";
import { CliError, exitCodes, interruptedError } from "../exit-code.ts";
import type { GatewayAddress } from "../gateway-address.ts";
import { readText, send } from "../http-send.ts";
import type { HttpAnswer } from "../http-send.ts";
import { message } from "./json-rpc.ts";
import type { Message } from "./json-rpc.ts";
import {
  headerMismatch,
  metaKeys,
  modernHeaders,
  modernRevision,
  paramHeaders,
} from "./modern-headers.ts";
import { sseEvents } from "./sse-events.ts";

/** An answer larger than this is refused. */
const answerBytesMax = 64 * 1024 * 1024;
/** Pages of tools/list read before giving up on finding a tool. */
const pagesMax = 100;

export interface ModernRequest {
  address: GatewayAddress;
  /** Of the bundle when given, else of the whole gateway. */
  bundle?: string | undefined;
  method: string;
  /** Without `_meta`. */
  params: Record<string, unknown>;
  progress?: (progress: { progress: number; total?: number; message?: string }) => void;
  signal: AbortSignal;
}

/** Where the gateway speaks MCP. */
export function mcpUrl(address: { url: string }, bundle: string | undefined): string {
  return bundle === undefined
    ? `${address.url}/mcp`
    : `${address.url}/mcp/${encodeURIComponent(bundle)}`;
}

/**
 * Sends one 2026-07-28 request and resolves with its answer, result or error; aborting the signal closes the stream,
 * which is what cancels the call. Parameters that a tool wants repeated in headers are looked up when the gateway asks.
 */
export async function requestModern(request: ModernRequest): Promise<Message> {
  const answer = await exchange(request, {});
  if (answer.error?.code !== headerMismatch || request.method !== "tools/call") return answer;
  const schema = await inputSchemaOf(request, String(request.params["name"]));
  return await exchange(request, paramHeaders(schema, request.params["arguments"]));
}

/** The input schema of one tool, from tools/list; undefined when no such tool is listed. */
export async function inputSchemaOf(
  request: Pick<ModernRequest, "address" | "bundle" | "signal">,
  tool: string,
): Promise<unknown> {
  let cursor: string | undefined;
  for (let page = 0; page < pagesMax; page += 1) {
    const params = cursor === undefined ? {} : { cursor };
    const answer = await exchange({ ...request, method: "tools/list", params }, {});
    const list = toolList.safeParse(answer.result).data;
    const found = list?.tools.find(({ name }) => name === tool);
    if (found !== undefined) return found.inputSchema;
    cursor = list?.nextCursor;
    if (cursor === undefined) return undefined;
  }
  return undefined;
}

const toolList = z.looseObject({
  tools: z.array(z.looseObject({ name: z.string(), inputSchema: z.unknown() })),
  nextCursor: z.string().optional(),
});

async function exchange(request: ModernRequest, extra: Record<string, string>): Promise<Message> {
  const { address, signal } = request;
  try {
    const answer = await send({
      method: "POST",
      url: mcpUrl(address, request.bundle),
      headers: {
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
        ...authorization(address.key),
        ...modernHeaders(modernRevision, request.method, request.params),
        ...extra,
      },
      body: JSON.stringify(withEnvelope(request)),
      signal,
    });
    return await readAnswer(answer, request);
  } catch (error) {
    if (error instanceof CliError) throw error;
    if (signal.aborted)
      throw signal.reason instanceof CliError ? signal.reason : interruptedError();
    throw unreachable(address, error);
  }
}

function withEnvelope({ method, params, progress }: ModernRequest): unknown {
  return {
    jsonrpc: "2.0",
    id: 1,
    method,
    params: {
      ...params,
      _meta: {
        [metaKeys.protocolVersion]: modernRevision,
        [metaKeys.clientInfo]: { name: "signalbox-cli", version: "1" },
        [metaKeys.clientCapabilities]: {},
        ...(progress === undefined ? {} : { progressToken: 1 }),
      },
    },
  };
}

async function readAnswer(answer: HttpAnswer, request: ModernRequest): Promise<Message> {
  if (answer.headers["content-type"]?.startsWith("text/event-stream") !== true) {
    const text = await readText(answer.body, answerBytesMax);
    const parsed = message.safeParse(parseOrNothing(text));
    if (parsed.success && (parsed.data.result ?? parsed.data.error) !== undefined)
      return parsed.data;
    throw answer.status >= 400 ? refusal(request.address, answer, text) : noAnswer(request);
  }
  for await (const { data } of sseEvents(answer.body as AsyncIterable<Buffer>)) {
    const parsed = message.safeParse(parseOrNothing(data));
    if (!parsed.success) continue;
    if ((parsed.data.result ?? parsed.data.error) !== undefined) return parsed.data;
    reportProgress(parsed.data, request);
  }
  throw noAnswer(request);
}

const progressParams = z.looseObject({
  progress: z.number(),
  total: z.number().optional(),
  message: z.string().optional(),
});

function reportProgress(notification: Message, { progress }: ModernRequest): void {
  if (notification.method !== "notifications/progress") return;
  const params = progressParams.safeParse(notification.params);
  if (!params.success) return;
  const { progress: value, total, message: text } = params.data;
  progress?.({
    progress: value,
    ...(total === undefined ? {} : { total }),
    ...(text === undefined ? {} : { message: text }),
  });
}

function noAnswer({ address, method }: ModernRequest): CliError {
  return new CliError({
    exitCode: exitCodes.failed,
    code: "ANSWER_MISSING",
    message: `${address.url} ended the stream without answering ${method}.`,
  });
}

function parseOrNothing(text: string): unknown {
  try {
    return parseExact(text);
  } catch {
    return undefined;
  }
}
