import { path as place, ServiceError, ToolError, type RestRequest } from "@signalbox/kit";
import { z } from "zod";
import type { GitHub, RepositoryNamed } from "./runtime.ts";

export const fileChange = z.object({
  path: z.string(),
  sha: z.string().optional().describe("Of the file as it is now; left out when it was deleted"),
  commit: z.string().describe("SHA of the commit"),
  url: z.string().nullable().describe("Of the commit"),
});

/** Writes or deletes a file in a commit of its own. */
export async function changeFile(
  runtime: GitHub,
  named: RepositoryNamed,
  change: Pick<RestRequest, "method" | "json" | "signal"> & { path: string },
): Promise<z.output<typeof fileChange>> {
  const { path, ...request } = change;
  try {
    const { content, commit } = await runtime.api.change(
      { ...request, path: `${runtime.repository(named).path}/contents/${place`${path}`}` },
      sent,
    );
    return {
      path,
      ...(content !== null && { sha: content.sha }),
      commit: commit.sha,
      url: commit.html_url ?? null,
    };
  } catch (error) {
    if (error instanceof ServiceError && conflicts(error))
      throw new ToolError(
        `"${path}" is there and is not what was expected: ${error.message}. Read it with get_file on the same branch, and give its \`sha\`.`,
        { code: "GITHUB_FILE_CHANGED", cause: error },
      );
    throw error;
  }
}

function conflicts({ status, message }: ServiceError): boolean {
  return status === 409 || (status === 422 && /\bsha\b/i.test(message));
}

const sent = z.object({
  content: z.object({ sha: z.string() }).nullable(),
  commit: z.object({ sha: z.string(), html_url: z.string().optional() }),
});
