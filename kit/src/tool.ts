// A tool is prepared once, when it is defined: its JSON Schema is made then, and a call costs one parse of
// its arguments. Arguments that do not fit are answered, not thrown: the protocol wants them as a result
// that the model can read and correct.
import { z } from "zod";
import type { ServiceLog } from "./service-context.ts";
import { ToolError, ToolResult, failure, text } from "./tool-result.ts";

/** Who calls, what for, and when to stop. */
export interface ToolContext<Runtime = undefined> {
  readonly principal: Caller;
  /** Aborts when the caller gives up or the call has run out of time. */
  readonly signal: AbortSignal;
  readonly requestId: string;
  /**
   * The same for every attempt at one call, and for calls whose caller gives the same key in `_meta["signalbox/idempotencyKey"]`;
   * another for every other caller, tool and call. 43 characters of A-Z, a-z, 0-9, "-" and "_".
   */
  readonly idempotencyKey: string;
  /** Lines carry the service, the tool and the request id; secrets in them are masked. */
  readonly log: ServiceLog;
  /** Tells a caller who asked for it how far the work is, and puts off the call's end. */
  readonly progress: (done: number, total?: number, message?: string) => void;
  /** What the service's `connect` made; undefined in a service without one. */
  readonly runtime: Runtime;
}

export interface Caller {
  readonly id: string;
  readonly name: string;
  readonly role: string;
  readonly bundles: readonly string[] | "all";
}

/** What a client may assume of a tool; left out, it must assume the worst. */
export interface ToolAnnotations {
  title?: string;
  readOnlyHint?: boolean;
  destructiveHint?: boolean;
  idempotentHint?: boolean;
  openWorldHint?: boolean;
}

/** What a caller must be permitted: to read, to write, or to manage the server. */
export type ScopeAction = "read" | "write" | "manage";

/** An example call, with what it is for. */
export interface ToolExample<Input extends z.ZodObject = z.ZodObject> {
  readonly title?: string;
  readonly input: z.input<Input>;
}

export interface ToolDefinition<Input extends z.ZodObject, Output extends z.ZodType, Runtime> {
  /** 1 to 64 letters, digits, "_" and "-". */
  name: string;
  title?: string;
  /** What it does and when to use it: the model chooses by this. */
  description: string;
  input: Input;
  /** With it, what the handler returns is the structured content and must fit. */
  output?: Output;
  annotations?: ToolAnnotations;
  /** Default: `read` with `readOnlyHint`, `write` without. `manage` is for what changes how a system works rather than what is in it. */
  scope?: ScopeAction;
  /** Calls that fit `input`; they stand in its JSON Schema. */
  examples?: readonly ToolExample<Input>[];
  /** Roughly how many tokens an answer takes of a model's context. */
  cost?: number;
  /** Returns output, text, or a ToolResult; a plain value rather than a promise is answered at once. */
  handler(
    input: z.output<Input>,
    context: ToolContext<Runtime>,
  ): Handled<Output> | Promise<Handled<Output>>;
}

export type Handled<Output extends z.ZodType> = z.input<Output> | ToolResult;

export type JsonSchema = { readonly [key: string]: unknown };

export interface Tool<Runtime = undefined> {
  readonly name: string;
  readonly title?: string;
  readonly description: string;
  readonly inputSchema: JsonSchema;
  readonly outputSchema?: JsonSchema;
  readonly annotations?: ToolAnnotations;
  readonly scope: ScopeAction;
  readonly cost?: number;
  /** The zod schema behind `outputSchema`. */
  readonly output?: z.ZodType;
  /** Checks the arguments and runs the handler; throws only what the handler throws, ToolError excepted. */
  run(args: unknown, context: ToolContext<Runtime>): ToolResult | Promise<ToolResult>;
}

/**
 * Prepares a tool of a service without a `connect`; see `toolsOf` for others. Throws TypeError where the name cannot be one, a
 * schema cannot be written as JSON Schema, an example does not fit, or the scope contradicts the annotations.
 */
export function defineTool<Input extends z.ZodObject, Output extends z.ZodType = z.ZodUnknown>(
  definition: ToolDefinition<Input, Output, undefined>,
): Tool {
  return prepare(definition);
}

/** `defineTool` for the tools of a service whose `connect` makes a `Runtime`: `const tool = toolsOf<Weather>()`. */
export function toolsOf<Runtime>(): <
  Input extends z.ZodObject,
  Output extends z.ZodType = z.ZodUnknown,
>(
  definition: ToolDefinition<Input, Output, Runtime>,
) => Tool<Runtime> {
  return prepare;
}

function prepare<Input extends z.ZodObject, Output extends z.ZodType, Runtime>(
  definition: ToolDefinition<Input, Output, Runtime>,
): Tool<Runtime> {
  const { name, title, description, input, output, annotations, examples = [], cost } = definition;
  if (!toolName.test(name)) throw new TypeError(`"${name}" is not a tool name: ${toolNameRule}`);
  const calls = examples.map((example) => example.input);
  for (const call of calls) {
    const { error } = input.safeParse(call);
    if (error !== undefined) throw new TypeError(`An example: ${misfit(name, error)}`);
  }
  return {
    name,
    ...(title === undefined ? {} : { title }),
    description,
    inputSchema: {
      ...jsonSchema(input),
      ...(calls.length > 0 && { examples: calls }),
    },
    ...(output === undefined ? {} : { outputSchema: jsonSchema(output), output }),
    ...(annotations === undefined ? {} : { annotations }),
    scope: scopeOf(definition),
    ...(cost === undefined ? {} : { cost }),
    run: (args, context) => run(definition, args, context),
  };
}

const toolName = /^[A-Za-z0-9_-]{1,64}$/;
const toolNameRule = 'use 1 to 64 letters, digits, "_" and "-"';

function scopeOf(definition: {
  name: string;
  scope?: ScopeAction;
  annotations?: ToolAnnotations;
}): ScopeAction {
  const { name, scope, annotations } = definition;
  const reads = annotations?.readOnlyHint === true;
  if (scope !== undefined && reads !== (scope === "read"))
    throw new TypeError(`The tool "${name}" has the scope "${scope}", and readOnlyHint ${reads}`);
  return scope ?? (reads ? "read" : "write");
}

/** The input side of both: what a caller must send, and what a handler returns, is not parsed yet. */
function jsonSchema(schema: z.ZodType): JsonSchema {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io: "input" });
  return rest;
}

function run<Input extends z.ZodObject, Output extends z.ZodType, Runtime>(
  definition: ToolDefinition<Input, Output, Runtime>,
  args: unknown,
  context: ToolContext<Runtime>,
): ToolResult | Promise<ToolResult> {
  const input = definition.input.safeParse(args ?? {});
  if (!input.success) return failure(misfit(definition.name, input.error));
  const structured = definition.output !== undefined;
  try {
    const handled = definition.handler(input.data, context);
    return isPromise(handled) ? settled(handled, structured) : resultOf(handled, structured);
  } catch (error) {
    return failureOf(error);
  }
}

async function settled(handled: Promise<unknown>, structured: boolean): Promise<ToolResult> {
  try {
    return resultOf(await handled, structured);
  } catch (error) {
    return failureOf(error);
  }
}

function resultOf(handled: unknown, structured: boolean): ToolResult {
  if (handled instanceof ToolResult) return handled;
  if (!structured) return text(typeof handled === "string" ? handled : asJson(handled));
  return new ToolResult({
    content: [{ type: "text", text: asJson(handled) }],
    structuredContent: handled,
  });
}

function asJson(value: unknown): string {
  return JSON.stringify(value) ?? "null";
}

/** What the caller is told of an error; throws it again where it is not for the caller. */
export function failureOf(error: unknown): ToolResult {
  if (error instanceof ToolError) return error.answer;
  throw error;
}

function misfit(name: string, error: z.ZodError): string {
  return `The arguments of "${name}" do not fit: ${issuesText(error)}.`;
}

/** The issues of an error in one line, without what was given: it may be a secret. */
export function issuesText(error: z.ZodError): string {
  const shown = error.issues.slice(0, issuesShown).map(issueSentence);
  const hidden = error.issues.length - shown.length;
  const more = hidden > 0 ? `; and ${hidden} more` : "";
  return shown.join("; ") + more;
}

const issuesShown = 10;

function issueSentence(issue: z.core.$ZodIssue): string {
  const message = issue.message.replace(/^Invalid input: /, "");
  return issue.path.length === 0 ? message : `${z.core.toDotPath(issue.path)}: ${message}`;
}

function isPromise(value: unknown): value is Promise<unknown> {
  return value instanceof Promise;
}
