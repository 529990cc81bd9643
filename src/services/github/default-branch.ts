import { z } from "zod";
import type { GitHub, Repository } from "./runtime.ts";

/** The branch that a repository's pull requests go into unless they say otherwise. */
export async function defaultBranch(
  { api }: GitHub,
  repository: Repository,
  signal: AbortSignal,
): Promise<string> {
  const { default_branch } = await api.ask(
    { path: repository.path, signal },
    z.object({ default_branch: z.string() }),
  );
  return default_branch;
}
