import type { KeyRecord, ProjectOptions, RoleOptions } from "../access/index.ts";
import { SignalboxError } from "../foundation/index.ts";
import type {
  BundleDefinition,
  BundleOptions,
  GatewayConfiguration,
  ServerDefinition,
  ServerOptions,
} from "../gateway/index.ts";
import type { SecretRecord } from "./secret-record.ts";

/** What the store holds, parsed. Never changed in place: a change makes the next one. */
export interface StoredState {
  readonly servers: ReadonlyMap<string, ServerOptions>;
  readonly bundles: ReadonlyMap<string, BundleOptions>;
  readonly projects: ReadonlyMap<string, ProjectOptions>;
  readonly roles: ReadonlyMap<string, RoleOptions>;
  readonly keys: readonly KeyRecord[];
  readonly secrets: readonly SecretRecord[];
}

/** What the configuration file defines, and the environment beside it. */
export interface FileState {
  readonly servers: ReadonlyMap<string, ServerOptions>;
  readonly bundles: ReadonlyMap<string, BundleOptions>;
  readonly projects: ReadonlyMap<string, ProjectOptions>;
  readonly roles: ReadonlyMap<string, RoleOptions>;
  /** The product's services, those included that are not configured. */
  readonly services: readonly ServerDefinition[];
}

/** What the configuration file and the product itself define: the registry shows it and does not change it. */
export interface FixedState extends FileState {
  readonly builtin: readonly ServerDefinition[];
}

export const emptyState: StoredState & FileState = {
  servers: new Map(),
  bundles: new Map(),
  projects: new Map(),
  roles: new Map(),
  keys: [],
  secrets: [],
  services: [],
};

/**
 * What the gateway shall serve. Names of the product itself come first, then those of the configuration file, then
 * stored ones, then services; a later definition of a taken name is left out, so that what somebody has added is never
 * replaced because a variable was set. Throws NAME_TAKEN when the file takes a built-in name.
 */
export function configurationOf(
  fixed: FixedState,
  stored: StoredState,
  version: number,
): GatewayConfiguration {
  const servers = new Map<string, ServerDefinition>();
  for (const definition of fixed.builtin) servers.set(definition.name, definition);
  for (const [name, options] of fixed.servers) {
    if (servers.has(name)) throw takenByBuiltin(name);
    servers.set(name, { name, options, origin: "config" });
  }
  for (const [name, options] of stored.servers) {
    if (!servers.has(name)) servers.set(name, { name, options, origin: "store" });
  }
  for (const definition of fixed.services) {
    if (!servers.has(definition.name)) servers.set(definition.name, definition);
  }
  return {
    servers: [...servers.values()],
    bundles: bundlesOf(fixed.bundles, stored.bundles),
    keys: stored.keys,
    // What the configuration file says of a role goes before what is stored of it.
    roles: new Map([...stored.roles, ...fixed.roles]),
    version,
  };
}

/** Whether two states would be served alike; when a key or secret was last used, and what seals a secret, does not count. */
export function sameState(one: StoredState, other: StoredState): boolean {
  return comparable(one) === comparable(other);
}

function bundlesOf(
  fixed: ReadonlyMap<string, BundleOptions>,
  stored: ReadonlyMap<string, BundleOptions>,
): BundleDefinition[] {
  const bundles = new Map<string, BundleDefinition>();
  for (const [name, options] of fixed) bundles.set(name, { name, options, origin: "config" });
  for (const [name, options] of stored) {
    if (!bundles.has(name)) bundles.set(name, { name, options, origin: "store" });
  }
  return [...bundles.values()];
}

function takenByBuiltin(name: string): SignalboxError {
  return new SignalboxError(
    "NAME_TAKEN",
    `The configuration file defines a server "${name}", but that is a service of the gateway itself; choose another name.`,
    { details: { name } },
  );
}

function comparable(state: StoredState): string {
  return JSON.stringify(
    [
      sorted(state.servers),
      sorted(state.bundles),
      sorted(state.projects),
      sorted(state.roles),
      state.keys
        .map((key) => ({ ...key, lastUsedAt: undefined }))
        .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
      state.secrets
        .map(({ id, project, owner, name, updatedAt }) => [id, project, owner, name, updatedAt])
        .toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1)),
    ],
    (_, value: unknown) =>
      isPlainObject(value) ? Object.fromEntries(Object.entries(value).toSorted(byName)) : value,
  );
}

function sorted<T>(definitions: ReadonlyMap<string, T>): [string, T][] {
  return [...definitions].toSorted(byName);
}

function byName([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function isPlainObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
