// openapi.json from the routes of src/api.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { openapiDocument, routeTable } from "../src/api/index.ts";

const productPackage = z.object({ version: z.string() });

/** The document, by its path. */
export function openapiFile(): Map<string, string> {
  const file = join(import.meta.dirname, "../package.json");
  const { version } = productPackage.parse(JSON.parse(readFileSync(file, "utf8")));
  const document = openapiDocument(routeTable, version);
  return new Map([["openapi.json", `${JSON.stringify(document, null, 2)}\n`]]);
}
