import type { Service } from "../service.ts";
import type { ToolContext } from "../tool.ts";
import type { ToolResult } from "../tool-result.ts";

/** Calls a tool as the gateway would, and throws where a structured answer does not fit the tool's output schema. */
export async function callTool(
  service: Service,
  name: string,
  args: unknown,
  context: Partial<ToolContext> = {},
): Promise<ToolResult> {
  const tool = service.tools.find((one) => one.name === name);
  if (tool === undefined) throw new TypeError(`"${service.name}" has no tool "${name}"`);
  const result = await tool.run(args, testContext(context));
  if (tool.output !== undefined && result.isError !== true)
    tool.output.parse(result.structuredContent);
  return result;
}

/** The text of an answer, its text parts joined by newlines. */
export function textOf(result: ToolResult): string {
  return result.content.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n");
}

/** A context of a call by an administrator, changed by `overrides`. */
export function testContext(overrides: Partial<ToolContext> = {}): ToolContext {
  return { ...someone, ...overrides };
}

const someone: ToolContext = {
  principal: { id: "tester", name: "tester", role: "admin", bundles: "all" },
  signal: new AbortController().signal,
  requestId: "test",
  idempotencyKey: "test-key",
  log: { debug() {}, info() {}, warn() {}, error() {} },
  progress() {},
  runtime: undefined,
};
