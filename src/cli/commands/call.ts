import type { Command } from "commander";
import { z } from "zod";
import { argumentText } from "../argument-text.ts";
import { parseExact } from "../exact-json.ts";
import { duration } from "../../foundation/index.ts";
import { CliError, exitCodes, usageError } from "../exit-code.ts";
import type { ExitCode } from "../exit-code.ts";
import { handle } from "../invocation.ts";
import type { Invocation, RunState } from "../invocation.ts";
import type { Message } from "../mcp/json-rpc.ts";
import { requestModern } from "../mcp/modern-request.ts";
import { plain } from "../output.ts";
import type { Output } from "../output.ts";
import { remedyOf } from "../remedy.ts";
import { renderResult, toolResult } from "../tool-result.ts";

/** `signalbox call <tool>`: one real tools/call through the gateway. */
export function addCallCommand(program: Command, state: RunState): void {
  const command = program
    .command("call")
    .description("call a tool through the gateway and print what it answers")
    .argument("<tool>", "public name of the tool, as `signalbox tools` lists it")
    .option(
      "-a, --args <json>",
      "arguments as a JSON object; @file reads a file, - reads stdin",
      "{}",
    )
    .option("-b, --bundle <bundle>", "call it as this bundle offers it")
    .option("-t, --timeout <duration>", "give up after this long", "10m")
    .addHelpText(
      "after",
      `
Examples:
  $ signalbox call everything__echo --args '{"message":"hello"}'
  $ signalbox call files__read_file --args @request.json -t 30s
  $ echo '{"query":"weather"}' | signalbox call search__query --args - --json

With --json the raw result is printed. Ctrl-C cancels the call. A result marked as an error ends with exit code 1.`,
    );
  handle(command, state, call);
}

const callOptions = z.object({
  args: z.string(),
  bundle: z.string().optional(),
  timeout: z.string(),
});

async function call(invocation: Invocation): Promise<ExitCode> {
  const { out, signal } = invocation;
  const [tool = ""] = invocation.args;
  const options = callOptions.parse(invocation.options);
  const timeoutMs = duration.safeParse(options.timeout);
  if (!timeoutMs.success)
    throw usageError(`--timeout takes a duration such as 30s, not "${options.timeout}".`);
  const args = await readArguments(options.args, invocation);
  const address = await invocation.gateway();

  using deadline = deadlineAfter(timeoutMs.data, tool);
  const progress = out.progress(`Calling ${tool}…`);
  try {
    const answer = await requestModern({
      address,
      bundle: options.bundle,
      method: "tools/call",
      params: { name: tool, arguments: args },
      progress: (step) => {
        const total = step.total === undefined ? "" : `/${String(step.total)}`;
        progress.update(`${tool}: ${String(step.progress)}${total} ${step.message ?? ""}`);
      },
      signal: AbortSignal.any([signal, deadline.signal]),
    });
    progress.done();
    return printAnswer(answer, out);
  } finally {
    progress.done();
  }
}

function printAnswer(answer: Message, out: Output): ExitCode {
  if (answer.error !== undefined) throw protocolError(answer.error);
  const result = toolResult.parse(answer.result);
  if (result.resultType === "input_required") {
    throw new CliError({
      exitCode: exitCodes.failed,
      code: "INPUT_REQUIRED",
      message:
        "The tool asks for input while it runs, which the command line cannot give: call it from an MCP client.",
    });
  }
  out.result(answer.result, () => renderResult(result, out.stdoutIsTerminal));
  if (result.isError !== true) return exitCodes.ok;
  out.note("The tool says it failed.");
  return exitCodes.failed;
}

const errorData = z.looseObject({ code: z.string(), requestId: z.string().optional() });

function protocolError(error: NonNullable<Message["error"]>): CliError {
  const data = errorData.safeParse(error.data).data;
  const remedy = data === undefined ? undefined : remedyOf(data.code);
  return new CliError({
    exitCode: data?.code.endsWith("_NOT_FOUND") ? exitCodes.notFound : exitCodes.failed,
    code: data?.code ?? `JSON_RPC_${String(error.code)}`,
    message: plain(error.message),
    details: error.data,
    ...(data?.requestId === undefined ? {} : { requestId: data.requestId }),
    ...(remedy === undefined ? {} : { remedy }),
  });
}

async function readArguments(given: string, { io }: Invocation): Promise<Record<string, unknown>> {
  const text = await argumentText(given, io);
  try {
    const parsed = z.record(z.string(), z.unknown()).safeParse(parseExact(text));
    if (parsed.success) return parsed.data;
  } catch (cause) {
    throw new CliError({
      exitCode: exitCodes.usage,
      code: "USAGE",
      message: `The arguments are not JSON: ${cause instanceof Error ? cause.message : String(cause)}.`,
    });
  }
  throw usageError('The arguments must be a JSON object, such as \'{"message":"hello"}\'.');
}

function deadlineAfter(ms: number, tool: string): Disposable & { signal: AbortSignal } {
  const controller = new AbortController();
  const timer = setTimeout(() => {
    controller.abort(
      new CliError({
        exitCode: exitCodes.failed,
        code: "TIMEOUT",
        message: `${tool} did not answer within ${String(ms)} ms; the call was cancelled.`,
      }),
    );
  }, ms);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      clearTimeout(timer);
    },
  };
}
