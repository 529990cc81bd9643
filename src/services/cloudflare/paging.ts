import { z } from "zod";

/** Which page of a list, and how many to a page. */
export function pageInput(
  perPageMax: number,
  perPage: number,
): { page: z.ZodDefault<z.ZodInt>; perPage: z.ZodDefault<z.ZodInt> } {
  return {
    page: z.int().min(1).max(10_000).default(1).describe("Which page, from 1"),
    perPage: z.int().min(5).max(perPageMax).default(perPage).describe("How many to a page"),
  };
}

/** What is said of a page beside its items. */
export const pageOutput = {
  page: z.int(),
  total: z.number().optional().describe("On all pages, where Cloudflare says so"),
  more: z.boolean().describe("Whether there is another page"),
};
