/** What a tool answers, part by part, as the Model Context Protocol has it. */
export type ContentBlock =
  | { type: "text"; text: string; annotations?: ContentAnnotations }
  | { type: "image" | "audio"; data: string; mimeType: string; annotations?: ContentAnnotations }
  | { type: "resource_link"; uri: string; name: string; description?: string; mimeType?: string }
  | {
      type: "resource";
      resource: { uri: string; mimeType?: string; text?: string; blob?: string };
    };

export interface ContentAnnotations {
  audience?: ("user" | "assistant")[];
  priority?: number;
  lastModified?: string;
}

export interface ToolResultParts {
  content: ContentBlock[];
  structuredContent?: unknown;
  isError?: boolean;
  /** Becomes `_meta` of the answer. */
  meta?: Record<string, unknown>;
}

/** A whole answer; made by `text`, `toolResult` or `failure`, so that it is never mistaken for plain output. */
export class ToolResult {
  readonly content: readonly ContentBlock[];
  declare readonly structuredContent?: unknown;
  declare readonly isError?: boolean;
  declare readonly _meta?: Record<string, unknown>;

  constructor(parts: ToolResultParts) {
    this.content = parts.content;
    if (parts.structuredContent !== undefined) this.structuredContent = parts.structuredContent;
    if (parts.isError === true) this.isError = true;
    if (parts.meta !== undefined) Object.assign(this, { _meta: parts.meta });
  }
}

/** An answer of one piece of text. */
export function text(value: string): ToolResult {
  return new ToolResult({ content: [{ type: "text", text: value }] });
}

/** An answer put together by hand: images, links, several parts. */
export function toolResult(parts: ToolResultParts): ToolResult {
  return new ToolResult(parts);
}

/** What may stand beside the sentence of a failure; it becomes `_meta["signalbox/error"]` of the answer. */
export interface FailureFacts {
  /** In capitals, such as `SQL_REFUSED`; it also stands at the end of the sentence. */
  readonly code?: string;
  /** Nothing secret. */
  readonly details?: Record<string, unknown>;
}

/** An answer that says the tool could not do it, in a sentence the caller can act on. */
export function failure(sentence: string, facts: FailureFacts = {}): ToolResult {
  const { code, details } = facts;
  return new ToolResult({
    content: [{ type: "text", text: code === undefined ? sentence : `${sentence} (${code})` }],
    isError: true,
    ...((code ?? details) !== undefined && {
      meta: { "signalbox/error": { ...(code !== undefined && { code }), ...details } },
    }),
  });
}

/** Throw it in a handler: the caller reads its message. The message of any other error stays inside. */
export class ToolError extends Error {
  override readonly name = "ToolError";
  readonly code: string | undefined;
  readonly details: Record<string, unknown> | undefined;

  constructor(sentence: string, facts: FailureFacts & { readonly cause?: unknown } = {}) {
    super(sentence, facts.cause === undefined ? {} : { cause: facts.cause });
    this.code = facts.code;
    this.details = facts.details;
  }

  /** As the caller is told. */
  get answer(): ToolResult {
    return failure(this.message, {
      ...(this.code !== undefined && { code: this.code }),
      ...(this.details !== undefined && { details: this.details }),
    });
  }
}
