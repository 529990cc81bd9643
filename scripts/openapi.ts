// openapi.json from the routes of src/api.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { openapiDocument as documentOf, routeTable } from "../src/api/index.ts";

const root = join(import.meta.dirname, "..");

/** The document by its path. */
export async function openapiDocument(): Promise<Map<string, string>> {
  const { version } = manifest.parse(
    JSON.parse(await readFile(join(root, "package.json"), "utf8")),
  );
  return new Map([
    ["openapi.json", `${JSON.stringify(documentOf(routeTable, version), null, 2)}\n`],
  ]);
}

const manifest = z.object({ version: z.string() });
