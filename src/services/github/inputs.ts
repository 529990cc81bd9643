// What many tools take.
import { z } from "zod";

export const repositoryInput = {
  owner: z
    .string()
    .regex(/^[\w-]+$/)
    .optional()
    .describe("Account that owns the repository; not needed where `repo` is owner/name"),
  repo: z
    .string()
    .regex(/^([\w-]+\/)?[\w.-]+$/)
    .optional()
    .describe("The repository, as name or owner/name; default the configured one"),
};

export const pageInput = {
  page: z.int().min(1).max(1_000).default(1),
  perPage: z.int().min(1).max(100).default(30),
  pages: z.int().min(1).max(10).default(1).describe("How many pages to read, one after the other"),
};

export const nextPage = z
  .int()
  .optional()
  .describe("Where to go on; left out when there are no more");

export const number = z.int().min(1).describe("Its number, such as 42");

export const branchName = z
  .string()
  .min(1)
  .max(250)
  .regex(/^(?!.*\.\.)[^\s~^:?*[\\]+$/, "a branch name has no spaces and none of ~ ^ : ? * [ \\ ..");

export const filePath = z
  .string()
  .min(1)
  .max(4_000)
  .regex(
    /^(?!\/)(?!.*(^|\/)\.{1,2}(\/|$))/,
    "a path from the top of the repository, without . and ..",
  );

export const sha = z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/, "a whole SHA");

export const reads = { readOnlyHint: true, openWorldHint: true } as const;
export const adds = {
  readOnlyHint: false,
  destructiveHint: false,
  idempotentHint: false,
  openWorldHint: true,
} as const;
export const changes = { ...adds, idempotentHint: true } as const;
export const destroys = { ...adds, destructiveHint: true } as const;
