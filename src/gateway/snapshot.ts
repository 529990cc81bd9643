/**
 * What the data plane serves from: servers, views and keys of one configuration. A snapshot never changes; a new
 * configuration makes a new one, which takes over the servers whose definition is the same as before, so that their
 * connections and lists live on.
 */
import { isDeepStrictEqual } from "node:util";
import { KeyRing, Roles, type KeyRecord, type RoleOptions } from "../access/index.ts";
import { SignalboxError, type Clock } from "../foundation/index.ts";
import type { ServerDefinition } from "../upstream/index.ts";
import type { BundleDefinition } from "./options.ts";
import type { ServerCatalog } from "./server-catalog.ts";
import { NarrowedViews } from "./narrowed-views.ts";
import { MODERN_AUDIENCE, View, refuseCollisions, type ViewDeps } from "./view.ts";

/** Everything that can be configured at run time. */
export interface GatewayConfiguration {
  readonly version: number;
  readonly servers: readonly ServerDefinition[];
  readonly bundles: readonly BundleDefinition[];
  readonly keys: readonly KeyRecord[];
  /** Roles beside the built-in ones. */
  readonly roles?: ReadonlyMap<string, RoleOptions>;
}

export interface Snapshot {
  readonly configuration: GatewayConfiguration;
  readonly catalogs: ReadonlyMap<string, ServerCatalog>;
  /** The view of everything. */
  readonly whole: View;
  readonly bundles: ReadonlyMap<string, View>;
  /** What of a view a principal sees. */
  readonly narrowed: NarrowedViews;
  readonly roles: Roles;
  readonly keys: KeyRing;
}

export interface SnapshotDeps {
  readonly clock: Clock;
  readonly view: ViewDeps;
  /** The run-time side of a server; nothing is connected yet, and whoever made it closes it where the build fails. */
  readonly create: (definition: ServerDefinition) => ServerCatalog;
}

/** A snapshot, the servers that only the one before it had, and those that stay with other endpoints. */
export interface Built {
  readonly snapshot: Snapshot;
  readonly created: readonly ServerCatalog[];
  readonly dropped: readonly ServerCatalog[];
  /** To be given their new endpoints when the snapshot is served, not before. */
  readonly moved: readonly { readonly catalog: ServerCatalog; readonly to: ServerDefinition }[];
}

/** Builds the snapshot of a configuration. Throws SignalboxError, having changed nothing, where it cannot be served. */
export function buildSnapshot(
  configuration: GatewayConfiguration,
  previous: Snapshot | undefined,
  deps: SnapshotDeps,
): Built {
  refuseDoubles(configuration);
  const catalogs = new Map<string, ServerCatalog>();
  const created: ServerCatalog[] = [];
  const moved: { catalog: ServerCatalog; to: ServerDefinition }[] = [];
  for (const definition of configuration.servers) {
    if (definition.options.enabled === false) continue;
    const old = previous?.catalogs.get(definition.name);
    const kept = old !== undefined && sameServer(old.server.definition, definition);
    const catalog = kept ? old : deps.create(definition);
    if (!kept) created.push(catalog);
    else if (!isDeepStrictEqual(old.server.definition.options, definition.options))
      moved.push({ catalog, to: definition });
    catalogs.set(definition.name, catalog);
  }
  const all = [...catalogs.values()];
  const roles = new Roles(configuration.roles);
  const snapshot: Snapshot = {
    configuration,
    catalogs,
    whole: new View(undefined, all, deps.view),
    bundles: new Map(
      configuration.bundles.map((bundle) => [bundle.name, new View(bundle, all, deps.view)]),
    ),
    narrowed: new NarrowedViews(),
    roles,
    keys: new KeyRing(configuration.keys, deps.clock, roles, previous?.keys),
  };
  const dropped = [...(previous?.catalogs.values() ?? [])].filter(
    (catalog) => catalogs.get(catalog.server.name) !== catalog,
  );
  for (const view of changedBundles(snapshot, previous)) refuseCollisions(view, MODERN_AUDIENCE);
  return { snapshot, created, dropped, moved };
}

/** The servers of a configuration that have to be made: those that `previous` does not have just so. */
export function newServers(
  configuration: GatewayConfiguration,
  previous: Snapshot | undefined,
): ServerDefinition[] {
  return configuration.servers.filter((definition) => {
    if (definition.options.enabled === false) return false;
    const old = previous?.catalogs.get(definition.name);
    return old === undefined || !sameServer(old.server.definition, definition);
  });
}

// A running bundle whose servers begin to collide keeps running without the names in question; only a bundle that is
// new or was changed is refused.
function changedBundles(snapshot: Snapshot, previous: Snapshot | undefined): View[] {
  return [...snapshot.bundles.values()].filter(
    (view) =>
      view.name !== undefined &&
      !isDeepStrictEqual(previous?.bundles.get(view.name)?.options, view.options),
  );
}

// One endpoint more or less leaves a server what it is, as long as one of them stays.
function sameServer(one: ServerDefinition, other: ServerDefinition): boolean {
  const { endpoints: ours = [], ...rest } = one.options;
  const { endpoints: theirs = [], ...others } = other.options;
  if (one.service !== other.service || !isDeepStrictEqual(rest, others)) return false;
  if (!isDeepStrictEqual(one.problem, other.problem)) return false;
  if (isDeepStrictEqual(ours, theirs) || rest.url !== undefined) return true;
  return ours.some(({ url }) => theirs.some((their) => their.url === url));
}

function refuseDoubles(configuration: GatewayConfiguration): void {
  const kinds: [string, readonly { name: string }[]][] = [
    ["server", configuration.servers],
    ["bundle", configuration.bundles],
  ];
  for (const [kind, definitions] of kinds) {
    const seen = new Set<string>();
    for (const { name } of definitions) {
      if (seen.has(name)) {
        throw new SignalboxError("NAME_TAKEN", `Two of the ${kind}s are named "${name}".`);
      }
      seen.add(name);
    }
  }
}
