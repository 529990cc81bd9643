// A tool is prepared once, when it is defined: its JSON Schema is made then, and a call costs one parse of
// its arguments. Arguments that do not fit are answered, not thrown: the protocol wants them as a result
// that the model can read and correct.
import { z } from "zod";
import { ToolError, ToolResult, failure, text } from "./tool-result.ts";

/** Who calls, what for, and when to stop. */
export interface ToolContext {
  readonly principal: Caller;
  /** Aborts when the caller gives up or the call has run out of time. */
  readonly signal: AbortSignal;
  readonly requestId: string;
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

export interface ToolDefinition<Input extends z.ZodObject, Output extends z.ZodType> {
  /** 1 to 64 letters, digits, "_" and "-". */
  name: string;
  title?: string;
  /** What it does and when to use it: the model chooses by this. */
  description: string;
  input: Input;
  /** With it, what the handler returns is the structured content and must fit. */
  output?: Output;
  annotations?: ToolAnnotations;
  /** Returns output, text, or a ToolResult; a plain value rather than a promise is answered at once. */
  handler(input: z.output<Input>, context: ToolContext): Handled<Output> | Promise<Handled<Output>>;
}

export type Handled<Output extends z.ZodType> = z.input<Output> | ToolResult;

export type JsonSchema = { readonly [key: string]: unknown };

export interface Tool {
  readonly name: string;
  readonly title?: string;
  readonly description: string;
  readonly inputSchema: JsonSchema;
  readonly outputSchema?: JsonSchema;
  readonly annotations?: ToolAnnotations;
  /** The zod schema behind `outputSchema`. */
  readonly output?: z.ZodType;
  /** Checks the arguments and runs the handler; throws only what the handler throws, ToolError excepted. */
  run(args: unknown, context: ToolContext): ToolResult | Promise<ToolResult>;
}

/** Prepares a tool; throws where the name cannot be one or a schema cannot be written as JSON Schema. */
export function defineTool<Input extends z.ZodObject, Output extends z.ZodType = z.ZodUnknown>(
  definition: ToolDefinition<Input, Output>,
): Tool {
  const { name, title, description, input, output, annotations } = definition;
  if (!toolName.test(name)) throw new TypeError(`"${name}" is not a tool name: ${toolNameRule}`);
  return {
    name,
    ...(title === undefined ? {} : { title }),
    description,
    inputSchema: jsonSchema(input),
    ...(output === undefined ? {} : { outputSchema: jsonSchema(output), output }),
    ...(annotations === undefined ? {} : { annotations }),
    run: (args, context) => run(definition, args, context),
  };
}

const toolName = /^[A-Za-z0-9_-]{1,64}$/;
const toolNameRule = 'use 1 to 64 letters, digits, "_" and "-"';

/** The input side of both: what a caller must send, and what a handler returns, is not parsed yet. */
function jsonSchema(schema: z.ZodType): JsonSchema {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io: "input" });
  return rest;
}

function run<Input extends z.ZodObject, Output extends z.ZodType>(
  definition: ToolDefinition<Input, Output>,
  args: unknown,
  context: ToolContext,
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

function failureOf(error: unknown): ToolResult {
  if (error instanceof ToolError) return failure(error.message);
  throw error;
}

function misfit(name: string, error: z.ZodError): string {
  const shown = error.issues.slice(0, issuesShown).map(issueSentence);
  const hidden = error.issues.length - shown.length;
  const more = hidden > 0 ? `; and ${hidden} more` : "";
  return `The arguments of "${name}" do not fit: ${shown.join("; ")}${more}.`;
}

const issuesShown = 10;

function issueSentence(issue: z.core.$ZodIssue): string {
  const message = issue.message.replace(/^Invalid input: /, "");
  return issue.path.length === 0 ? message : `${z.core.toDotPath(issue.path)}: ${message}`;
}

function isPromise(value: unknown): value is Promise<unknown> {
  return value instanceof Promise;
}
