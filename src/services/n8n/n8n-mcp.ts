// n8n's own MCP server, of which one tool is called: the public API cannot run a workflow. It keeps no session, and answers a
// request with one event.
import { ToolError, type RestClient } from "@signalbox/kit";
import { z } from "zod";

const answer = z.object({
  error: z.object({ message: z.string() }).optional(),
  result: z
    .object({
      isError: z.boolean().optional(),
      structuredContent: z.unknown(),
      content: z.array(z.object({ type: z.string(), text: z.string().optional() })).optional(),
    })
    .optional(),
});
const started = z.looseObject({
  executionId: z.union([z.string(), z.number()]).nullish(),
  status: z.string().optional(),
  error: z.string().nullish(),
});

export interface McpRun {
  readonly workflowId: string;
  readonly executionMode: "manual" | "production";
  readonly triggerNodeName?: string | undefined;
  readonly inputs?: Readonly<Record<string, unknown>> | undefined;
}

export class N8nMcp {
  readonly #rest: RestClient;
  #id = 0;

  constructor(rest: RestClient) {
    this.#rest = rest;
  }

  /** Starts a workflow and gives its execution's id; throws ToolError with what n8n says where it does not start. */
  async run(run: McpRun, signal: AbortSignal): Promise<string> {
    const { data } = await this.#rest.request({
      method: "POST",
      path: "",
      headers: { accept: "application/json, text/event-stream" },
      json: {
        jsonrpc: "2.0",
        id: ++this.#id,
        method: "tools/call",
        params: { name: "execute_workflow", arguments: run },
      },
      signal,
    });
    const { result, error } = answer.parse(messageIn(data));
    const text = result?.content?.find(({ type }) => type === "text")?.text ?? "";
    const told = started.safeParse(result?.structuredContent ?? jsonOf(text)).data;
    const id = told?.executionId;
    if (result?.isError !== true && id !== undefined && id !== null) return String(id);
    const why = error?.message ?? told?.error ?? text;
    throw new ToolError(
      `n8n did not start the workflow: ${why.slice(0, 500)}. It must be available in MCP: see the workflow's settings.`,
      { code: "N8N_NOT_STARTED" },
    );
  }
}

/** The JSON-RPC message in an answer that is JSON, or a stream with one event. */
function messageIn(data: unknown): unknown {
  if (typeof data !== "string") return data;
  const lines = data.split(/\r?\n/).filter((line) => line.startsWith("data:"));
  return jsonOf(lines.map((line) => line.slice(5).trimStart()).join("\n"));
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
