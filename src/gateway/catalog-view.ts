/** The catalog as the API and the command line show it. */
import type { ErrorCode } from "../foundation/index.ts";
import type { JsonObject } from "../protocol/index.ts";
import type { ListKind, Missing } from "./server-catalog.ts";
import { MODERN_AUDIENCE, type Route, type View } from "./view.ts";

/** A tool, prompt, resource or template: the public item with the server it comes from and its name there. */
export type CatalogItem = JsonObject & { readonly server: string; readonly original: string };

export interface CatalogView {
  readonly tools: readonly CatalogItem[];
  readonly prompts: readonly CatalogItem[];
  readonly resources: readonly CatalogItem[];
  readonly templates: readonly CatalogItem[];
  readonly missing: readonly {
    readonly server: string;
    readonly reason: ErrorCode;
    readonly message: string;
    readonly since: string;
    readonly stale: boolean;
  }[];
}

/** Reads everything a view offers, waiting no longer than its servers' list timeouts. */
export async function readCatalog(view: View): Promise<CatalogView> {
  const kinds = ["tools", "prompts", "resources", "templates"] as const;
  const read = await Promise.all(kinds.map((kind) => view.items(kind, MODERN_AUDIENCE)));
  const missing = new Map<string, Missing>();
  const items = new Map<ListKind, CatalogItem[]>();
  for (const [position, kind] of kinds.entries()) {
    const part = read[position];
    for (const entry of part?.missing ?? []) missing.set(nameOf(entry, kind), entry);
    items.set(kind, (part?.routes ?? []).map(itemOf));
  }
  return {
    tools: items.get("tools") ?? [],
    prompts: items.get("prompts") ?? [],
    resources: items.get("resources") ?? [],
    templates: items.get("templates") ?? [],
    missing: [...missing.values()],
  };
}

// A server is away with all its lists, but of each some items may be held back.
function nameOf({ server, reason }: Missing, kind: ListKind): string {
  return reason === "TOOL_QUARANTINED" ? `${server} ${kind}` : server;
}

function itemOf(route: Route): CatalogItem {
  return { ...route.item, server: route.server.name, original: route.original };
}
