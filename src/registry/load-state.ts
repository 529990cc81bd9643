import { z } from "zod";
import type { Log } from "../foundation/index.ts";
import { bundleOptions, serverOptions } from "../gateway/index.ts";
import type { StoredState } from "./configured-state.ts";
import type { RegistryStore, StoredDefinition } from "./ports.ts";

/** Reads all configuration from the store; a row that no longer parses is left out and named in the log. */
export async function loadState(store: RegistryStore, log: Log): Promise<StoredState> {
  const [servers, bundles, keys, secrets] = await Promise.all([
    store.servers.list(),
    store.bundles.list(),
    store.keys.list(),
    store.secrets.list(),
  ]);
  const counts = {
    servers: servers.length,
    bundles: bundles.length,
    keys: keys.length,
    sealed: secrets.length,
  };
  log.debug(counts, "Read the stored configuration");
  return {
    servers: parsed(servers, serverOptions, "server", log),
    bundles: parsed(bundles, bundleOptions, "bundle", log),
    keys,
    secrets,
  };
}

function parsed<T>(
  rows: readonly StoredDefinition[],
  schema: z.ZodType<T>,
  kind: string,
  log: Log,
): Map<string, T> {
  const definitions = new Map<string, T>();
  for (const row of rows) {
    const result = schema.safeParse(row.options);
    if (result.success) definitions.set(row.name, result.data);
    else {
      const fields = { [kind]: row.name, problem: z.prettifyError(result.error) };
      log.error(fields, `The stored ${kind} "${row.name}" cannot be read and is left out`);
    }
  }
  return definitions;
}
