import type { z } from "zod";
import { systemClock } from "../clock.ts";
import { openService, type OpenService } from "../open-service.ts";
import type { ServiceContext } from "../service-context.ts";
import type { ServiceDefinition, ServiceRuntime } from "../service.ts";
import type { ToolContext } from "../tool.ts";
import type { ToolResult } from "../tool-result.ts";
import { callTool } from "./call-tool.ts";

/** A service as a gateway serves it, for tests; closed by `await using`. */
export interface HostedService<Runtime extends ServiceRuntime> extends AsyncDisposable {
  readonly service: OpenService<Runtime>;
  /** What was logged: level, message and fields. */
  readonly logged: readonly { level: string; message: string; fields: Record<string, unknown> }[];
  call(tool: string, args?: unknown, context?: Partial<ToolContext>): Promise<ToolResult>;
  /** The structured content of an answer; throws the sentence of a failure. */
  ask(tool: string, args?: unknown, context?: Partial<ToolContext>): Promise<unknown>;
}

/** Opens a service with options as a person would write them; without `fetch` it reaches nobody. */
export function hostService<Options extends z.ZodObject, Runtime extends ServiceRuntime>(
  definition: ServiceDefinition<Options, Runtime>,
  options: z.input<Options>,
  context: Partial<Omit<ServiceContext, "signal" | "secrets">> = {},
): HostedService<Runtime> {
  const logged: { level: string; message: string; fields: Record<string, unknown> }[] = [];
  const line = (level: string) => (fields: Record<string, unknown>, message: string) => {
    logged.push({ level, message, fields });
  };
  const log = {
    debug: line("debug"),
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
  };
  const service = openService(definition, options, {
    clock: systemClock,
    log,
    fetch: () => Promise.reject(new Error("this test gave no fetch")),
    ...context,
  });
  const call: HostedService<Runtime>["call"] = (tool, args, own) =>
    callTool(service, tool, args, { log, ...own });
  return {
    service,
    logged,
    call,
    ask: async (tool, args, own) => {
      const result = await call(tool, args, own);
      if (result.isError === true) throw new Error(JSON.stringify(result.content));
      return result.structuredContent;
    },
    [Symbol.asyncDispose]: () => service.close(),
  };
}
