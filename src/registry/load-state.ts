import { z } from "zod";
import { projectOptions, roleOptions, rulesOptions, type KeyRecord } from "../access/index.ts";
import type { Log } from "../foundation/index.ts";
import { bundleOptions, serverOptions } from "../gateway/index.ts";
import type { StoredState } from "./configured-state.ts";
import type { RegistryStore, StoredDefinition, StoredKey } from "./ports.ts";

/** Reads all configuration from the store; a row that no longer parses is left out and named in the log. */
export async function loadState(store: RegistryStore, log: Log): Promise<StoredState> {
  const [servers, bundles, projects, roles, keys, secrets] = await Promise.all([
    store.servers.list(),
    store.bundles.list(),
    store.projects.list(),
    store.roles.list(),
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
    projects: parsed(projects, projectOptions, "project", log),
    roles: parsed(roles, roleOptions, "role", log),
    keys: keys.map((row) => keyOf(row, log)),
    secrets,
  };
}

// A key whose rules cannot be read may do nothing until it is replaced: it could be meant to be narrow.
function keyOf({ rules, ...row }: StoredKey, log: Log): KeyRecord {
  if (rules === undefined) return row;
  const result = rulesOptions.safeParse(rules);
  if (result.success) return { ...row, rules: result.data };
  const problem = z.prettifyError(result.error);
  log.error(
    { key: row.id, problem },
    "The rules of a key cannot be read, so it is refused everything",
  );
  return { ...row, rules: [{ effect: "deny" }] };
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
