import { path as place, ToolError } from "@signalbox/kit";
import { z } from "zod";
import { filePath, reads, repositoryInput } from "./inputs.ts";
import { tool } from "./runtime.ts";

const entry = z.object({
  name: z.string(),
  path: z.string(),
  type: z.string().describe("file, dir, symlink or submodule"),
  size: z.int().describe("Bytes"),
});

export const getFile = tool({
  name: "get_file",
  title: "A file or folder",
  description:
    "Reads a file of up to 1 MB, or lists a folder. Long text is cut: read on with `offset`.",
  input: z.object({
    ...repositoryInput,
    path: filePath,
    ref: z.string().min(1).optional().describe("Branch, tag or SHA; default the default branch"),
    offset: z.int().min(0).default(0).describe("First character to read"),
    limit: z.int().min(1).max(200_000).default(50_000).describe("How many characters at most"),
  }),
  output: z.object({
    path: z.string(),
    type: z.enum(["file", "dir"]),
    sha: z.string().optional().describe("Of the file: `sha` of put_file"),
    size: z.int().optional().describe("Bytes"),
    encoding: z.enum(["utf-8", "base64"]).optional().describe("base64 for what is no text"),
    content: z.string().optional(),
    more: z.boolean().describe("Whether something was cut off"),
    entries: z.array(entry).optional().describe("Of a folder, up to 1000"),
  }),
  annotations: reads,
  examples: [{ input: { repo: "acme/site", path: "README.md" } }],
  cost: 3_000,
  handler: async ({ path, ref, offset, limit, ...named }, { runtime, signal }) => {
    const sent = await runtime.api.ask(
      {
        path: `${runtime.repository(named).path}/contents/${place`${path}`}`,
        query: { ref },
        signal,
      },
      contents,
    );
    if (Array.isArray(sent))
      return {
        path,
        type: "dir" as const,
        entries: sent.slice(0, 1_000),
        more: sent.length > 1_000,
      };
    const { type, sha, size, content = "", encoding } = sent;
    if (type !== "file" || encoding !== "base64")
      throw new ToolError(
        encoding === "none"
          ? `"${path}" has ${size} bytes; files of more than 1 MB are not read.`
          : `"${path}" is a ${type}, not a file.`,
        { code: "GITHUB_NOT_READABLE" },
      );
    const text = readable(Buffer.from(content, "base64"));
    const whole = text ?? content.replaceAll("\n", "");
    return {
      path,
      type: "file" as const,
      sha,
      size,
      encoding: text === undefined ? ("base64" as const) : ("utf-8" as const),
      content: whole.slice(offset, offset + limit),
      more: offset + limit < whole.length,
    };
  },
});

const contents = z.union([
  z.array(entry),
  z.object({
    type: z.string(),
    sha: z.string(),
    size: z.int(),
    content: z.string().optional(),
    encoding: z.string().optional(),
  }),
]);

function readable(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
