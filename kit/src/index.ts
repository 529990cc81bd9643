export { defineService } from "./service.ts";
export type { Service } from "./service.ts";
export { defineTool } from "./tool.ts";
export type {
  Caller,
  JsonSchema,
  Tool,
  ToolAnnotations,
  ToolContext,
  ToolDefinition,
} from "./tool.ts";
export { ToolError, ToolResult, failure, text, toolResult } from "./tool-result.ts";
export type { ContentBlock, ToolResultParts } from "./tool-result.ts";
