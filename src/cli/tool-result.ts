import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { plain } from "./output.ts";

const content = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  data: z.string().optional(),
  mimeType: z.string().optional(),
  uri: z.string().optional(),
  name: z.string().optional(),
  resource: z
    .looseObject({
      uri: z.string().optional(),
      text: z.string().optional(),
      mimeType: z.string().optional(),
    })
    .optional(),
});

/** The result of tools/call, as far as it is shown. */
export const toolResult = z.looseObject({
  resultType: z.string().optional(),
  content: z.array(content).default([]),
  structuredContent: z.unknown().optional(),
  isError: z.boolean().optional(),
});
export type ToolResult = z.infer<typeof toolResult>;

/** The result for a person: texts as they are, structured content as JSON unless a text repeats it, the rest as notes. */
export function renderResult(result: ToolResult, forTerminal: boolean): string[] {
  const lines = result.content.map(renderContent);
  const { structuredContent } = result;
  if (structuredContent !== undefined && !repeats(result.content, structuredContent)) {
    lines.push(JSON.stringify(structuredContent, null, 2));
  }
  return forTerminal ? lines.map(plain) : lines;
}

function renderContent(block: z.infer<typeof content>): string {
  const { type, text, data, mimeType, uri, name, resource } = block;
  if (type === "text") return text ?? "";
  if (type === "resource_link")
    return `[link to ${uri ?? "?"}${name === undefined ? "" : `: ${name}`}]`;
  if (type === "resource")
    return (
      resource?.text ?? `[resource ${resource?.uri ?? "?"}, ${resource?.mimeType ?? "binary"}]`
    );
  const size = data === undefined ? "" : `, ${String(Math.ceil((data.length * 3) / 4))} bytes`;
  return `[${type}${mimeType === undefined ? "" : ` ${mimeType}`}${size}; --json prints it]`;
}

function repeats(blocks: ToolResult["content"], structured: unknown): boolean {
  return blocks.some(({ type, text }) => {
    if (type !== "text" || text === undefined) return false;
    try {
      return isDeepStrictEqual(JSON.parse(text), JSON.parse(JSON.stringify(structured)));
    } catch {
      return false;
    }
  });
}
