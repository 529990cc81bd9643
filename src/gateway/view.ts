/**
 * What one endpoint offers: all servers at `/mcp`, a bundle's selection at `/mcp/{bundle}`. A view turns the catalogs of
 * its servers into public lists, and public names back into routes. Both are rebuilt when a catalog changes and are
 * otherwise only looked up. A view can be narrowed to what a principal may use: since lists and routes are one index, what
 * cannot be called is not listed, and what is not listed cannot be called.
 */
import {
  defaultProject,
  everyProject,
  type AccessItem,
  type AccessRequest,
  type Owned,
  type Permissions,
  type Principal,
} from "../access/index.ts";
import { SignalboxError, type Log } from "../foundation/index.ts";
import {
  META,
  compileParamHeaders,
  isJsonObject,
  stringify,
  toLegacyTool,
  toModernTool,
  type Era,
  type JsonObject,
  type ParamHeader,
} from "../protocol/index.ts";
import type { LaneKey, UpstreamServer } from "../upstream/index.ts";
import type { CachePolicy } from "./cache/cache-policy.ts";
import type { CallMeter, CallMeters } from "./call-meters.ts";
import { RESOURCE_SCHEME, ownerOfUri, publicName, publicUri, serverOfName } from "./names.ts";
import type { BundleDefinition, BundleOptions } from "./options.ts";
import type { Held } from "./pins.ts";
import { withPublicUi } from "./resource-links.ts";
import { Selection } from "./selection.ts";
import type { Listing, ListKind, Missing, ServerCatalog } from "./server-catalog.ts";

/** Where a public name leads. */
export interface Route {
  readonly kind: ListKind;
  readonly catalog: ServerCatalog;
  readonly server: UpstreamServer;
  /** The name, URI or template as the server writes it. */
  readonly original: string;
  readonly publicName: string;
  /** The item as clients see it. */
  readonly item: JsonObject;
  readonly paramHeaders: readonly ParamHeader[];
  readonly meter: CallMeter;
  /** Whether answers are kept; undefined where none is, and none cleared. */
  readonly cache?: CachePolicy;
}

export type Resolution =
  | { readonly ok: true; readonly route: Route }
  | { readonly ok: false; readonly reason: "unknown" }
  | { readonly ok: false; readonly reason: "collision"; readonly owners: readonly string[] }
  | { readonly ok: false; readonly reason: "held"; readonly server: string; readonly why: string }
  | { readonly ok: false; readonly reason: "unavailable"; readonly missing: Missing };

/** Whose lists are read: "" for most, else a class of legacy clients with the lane on which their lists are fetched. */
export interface Audience {
  readonly era: Era;
  idFor(server: UpstreamServer): string;
  keyFor(server: UpstreamServer): LaneKey;
  /** The view's own note of which lists this audience reads, good for one epoch. */
  memo?: { readonly epoch: number; readonly key: string };
}

/** Modern clients all read the same lists. */
export const MODERN_AUDIENCE: Audience = {
  era: "modern",
  idFor: () => "",
  keyFor: () => ({ kind: "shared" }),
};

export interface ViewDeps {
  readonly log: Log;
  readonly meters: CallMeters;
  /** What may be kept of a server's answers to a method, for a tool of that name and annotations. */
  readonly cachePolicy?: (
    server: UpstreamServer,
    method: string,
    name: string,
    annotations: unknown,
  ) => CachePolicy | undefined;
  readonly pageSize: number;
  /** Who a modern client is told has answered. */
  readonly serverInfo?: JsonObject;
  /** Grows whenever any catalog changes. */
  readonly epoch: () => number;
}

/** One page of a list, as the JSON text of a result. */
export interface ListPage {
  readonly resultText: string;
}

export class View {
  readonly name: string | undefined;
  readonly options: BundleOptions | undefined;
  readonly bare: boolean;
  /** Whose the endpoint is. */
  readonly project: string;
  readonly catalogs: readonly ServerCatalog[];
  readonly #byServer: ReadonlyMap<string, ServerCatalog>;
  readonly #deps: ViewDeps;
  readonly #selection: Selection;
  readonly #indexes = new Map<string, Index>();
  readonly #collidedSince = new Map<string, string>();
  readonly #resourcePolicies = new Map<UpstreamServer, { cache?: CachePolicy }>();
  readonly #bundle: BundleDefinition | undefined;
  /** What this view was narrowed from, and to what; undefined where it offers all there is. */
  readonly #narrowed: Narrowed | undefined;

  constructor(
    bundle: BundleDefinition | undefined,
    catalogs: readonly ServerCatalog[],
    deps: ViewDeps,
    narrowed?: Narrowed,
  ) {
    this.#bundle = bundle;
    this.#narrowed = narrowed;
    this.name = bundle?.name;
    this.options = bundle?.options;
    this.bare = bundle?.options.names === "bare";
    this.project = bundle === undefined ? everyProject : (bundle.options.project ?? defaultProject);
    this.#selection = new Selection(bundle?.options);
    this.catalogs = catalogs.filter((catalog) => this.#takesServer(catalog));
    this.#byServer = new Map(this.catalogs.map((catalog) => [catalog.server.name, catalog]));
    this.#deps = deps;
  }

  /** The view for someone of these permissions: this one where they leave nothing of it out. */
  narrowedTo(permissions: Permissions): View {
    const everything =
      permissions.allowsEveryUse &&
      this.catalogs.every(
        (catalog) =>
          permissions.inProject(catalog.project) &&
          (!hasManaged(catalog) || permissions.reaches(ownedOf(catalog), "manage")),
      );
    if (everything) return this;
    return new View(this.#bundle, this.catalogs, this.#deps, { from: this, permissions });
  }

  /** Whether a name that leads nowhere here leads somewhere for others, who may use more. */
  hides(kind: "tools" | "prompts", name: string): boolean {
    return this.#narrowed?.from.known(kind, name, MODERN_AUDIENCE) !== undefined;
  }

  /** The same of a resource's URI. */
  hidesUri(uri: string): boolean {
    return this.#narrowed?.from.ownerOf(uri) !== undefined;
  }

  /** Waits, within each server's deadline, until the lists of `kind` are as good as they get. */
  async settle(kind: ListKind, audience: Audience): Promise<void> {
    const waits: Promise<void>[] = [];
    for (const listing of this.#listings(kind, audience)) {
      const wait = listing.settle();
      if (wait !== undefined) waits.push(wait);
    }
    if (waits.length > 0) await Promise.all(waits);
  }

  /** The page at `cursor` as a client of that era reads it; undefined where the cursor is not one of ours. */
  async page(kind: ListKind, audience: Audience, cursor: unknown): Promise<ListPage | undefined> {
    const offset = offsetOf(cursor);
    if (offset === undefined || offset % this.#deps.pageSize !== 0) return undefined;
    await this.settle(kind, audience);
    const index = this.#index(kind, audience);
    if (offset !== 0 && offset >= index.items.length) return undefined;
    const key = `${audience.era} ${offset}`;
    const ttlMs = audience.era === "modern" ? this.#ttlLeft(index, kind, audience) : undefined;
    const known = index.pages.get(key);
    if (known !== undefined && known.ttlMs === ttlMs) return known;
    const text = known?.text ?? pageText(index, kind, audience.era, offset, this.#deps);
    const resultText = ttlMs === undefined ? text : `${text.slice(0, -1)},"ttlMs":${ttlMs}}`;
    const page = { text, ttlMs, resultText };
    index.pages.set(key, page);
    return page;
  }

  // A list is as fresh as the part of it that gets old first. What waits for an approval may wait for days: the rest is as
  // complete as it gets.
  #ttlLeft(index: Index, kind: ListKind, audience: Audience): number {
    const whole = index.missing.every(({ reason }) => reason === "TOOL_QUARANTINED");
    if (!whole || this.catalogs.length === 0) return 0;
    return this.#listings(kind, audience).reduce(
      (left, listing) => Math.min(left, listing.ttlLeftMs),
      Number.MAX_SAFE_INTEGER,
    );
  }

  /** All items of a kind with what is missing, for the catalog of the API. */
  async items(
    kind: ListKind,
    audience: Audience,
  ): Promise<{ routes: readonly Route[]; missing: readonly Missing[] }> {
    await this.settle(kind, audience);
    const index = this.#index(kind, audience);
    return { routes: [...index.routes.values()], missing: index.missing };
  }

  /** The route of a public tool or prompt name, without waiting; undefined when `resolve` has to look closer. */
  known(kind: ListKind, name: string, audience: Audience): Route | undefined {
    return this.#index(kind, audience).routes.get(name);
  }

  /** The route of a public tool or prompt name; waits for lists that have not come in yet. */
  async resolve(kind: "tools" | "prompts", name: string, audience: Audience): Promise<Resolution> {
    const known = this.known(kind, name, audience);
    if (known !== undefined) return { ok: true, route: known };
    const prefix = this.bare ? undefined : serverOfName(name);
    const owner = prefix === undefined ? undefined : this.#byServer.get(prefix);
    const renamed = prefix !== undefined && this.#overlayOf(name) !== undefined;
    if (prefix !== undefined && owner === undefined && !renamed) return UNKNOWN;
    if (owner === undefined || renamed) await this.settle(kind, audience);
    else await this.#listing(owner, kind, audience).settle();
    const index = this.#index(kind, audience);
    const route = index.routes.get(name);
    if (route !== undefined) return { ok: true, route };
    const owners = index.collisions.get(name);
    if (owners !== undefined) return { ok: false, reason: "collision", owners };
    const held = index.held.get(name);
    if (held !== undefined) return { ok: false, reason: "held", ...held };
    const missing = index.missing.find(
      (entry) => isAway(entry) && (owner === undefined || entry.server === owner.server.name),
    );
    return missing === undefined ? UNKNOWN : { ok: false, reason: "unavailable", missing };
  }

  /** The route of the same name once its server's list is as good as it gets; undefined where it is gone. */
  async renewed(route: Route, audience: Audience): Promise<Route | undefined> {
    await this.#listing(route.catalog, route.kind, audience).settle();
    return this.known(route.kind, route.publicName, audience);
  }

  /** The server and its own URI behind a public resource URI. */
  async resolveUri(uri: string, audience: Audience): Promise<Resolution> {
    const owned = this.bare ? undefined : ownerOfUri(uri);
    const owner = owned === undefined ? undefined : this.#byServer.get(owned.server);
    if (owned !== undefined && owner !== undefined) {
      return this.#takesUri(owned.server, owned.uri)
        ? { ok: true, route: this.#uriRoute(owner, owned.uri, uri) }
        : UNKNOWN;
    }
    // What names a server that is not here is not taken for another server's own URI: it may name one that is hidden.
    if (this.#narrowed !== undefined && !this.bare && uri.startsWith(RESOURCE_SCHEME)) {
      return UNKNOWN;
    }
    return this.#findUri(uri, audience);
  }

  /** Who a modern client is told has answered. */
  get serverInfo(): JsonObject | undefined {
    return this.#deps.serverInfo;
  }

  /** A server's own URI as this view shows it. */
  publicUri(server: string, uri: string): string {
    return this.bare ? uri : publicUri(server, uri);
  }

  /** The owner of a public URI as far as it shows without waiting: by its form, or as what a bare view lists. */
  ownerOf(uri: string): { server: string; uri: string } | undefined {
    const owned = this.bare ? this.#bareOwnerOf(uri) : ownerOfUri(uri);
    return owned !== undefined && this.offersUri(owned.server, owned.uri) ? owned : undefined;
  }

  #bareOwnerOf(uri: string): { server: string; uri: string } | undefined {
    const [only] = this.catalogs;
    const owner =
      this.catalogs.length === 1
        ? only
        : this.catalogs.find((catalog) => this.#owns(catalog, uri, MODERN_AUDIENCE));
    return owner === undefined ? undefined : { server: owner.server.name, uri };
  }

  has(server: string): boolean {
    return this.#byServer.has(server);
  }

  /** A server of this view as decisions see it. */
  owned(server: string): Owned | undefined {
    const catalog = this.#byServer.get(server);
    return catalog === undefined ? undefined : ownedOf(catalog);
  }

  /** Whether a server's own URI is part of this view. */
  offersUri(server: string, uri: string): boolean {
    return this.#byServer.has(server) && this.#takesUri(server, uri);
  }

  /** Names that two things have, with both owners; empty where names carry their server and none is changed. */
  collisions(kind: ListKind, audience: Audience): ReadonlyMap<string, readonly string[]> {
    return this.#index(kind, audience).collisions;
  }

  // A URI without the public form: someone wrote the server's own. It is found where exactly one server owns it.
  async #findUri(uri: string, audience: Audience): Promise<Resolution> {
    await Promise.all([this.settle("resources", audience), this.settle("templates", audience)]);
    const owners = this.catalogs.filter(
      (catalog) => this.#takesUri(catalog.server.name, uri) && this.#owns(catalog, uri, audience),
    );
    const [first] = owners;
    if (owners.length > 1) {
      const names = owners.map((catalog) => catalog.server.name);
      return { ok: false, reason: "collision", owners: names };
    }
    const only = first ?? (this.catalogs.length === 1 ? this.catalogs[0] : undefined);
    if (only !== undefined && this.offersUri(only.server.name, uri)) {
      return { ok: true, route: this.#uriRoute(only, uri, uri) };
    }
    const missing = this.#index("resources", audience).missing.find(isAway);
    return missing === undefined ? UNKNOWN : { ok: false, reason: "unavailable", missing };
  }

  #owns(catalog: ServerCatalog, uri: string, audience: Audience): boolean {
    const listed = this.#listing(catalog, "resources", audience).view().items;
    if (listed.some((item) => item["uri"] === uri)) return true;
    const templates = this.#listing(catalog, "templates", audience).view().items;
    return templates.some(
      (item) =>
        typeof item["uriTemplate"] === "string" && matchesTemplate(item["uriTemplate"], uri),
    );
  }

  #uriRoute(catalog: ServerCatalog, original: string, shown: string): Route {
    return {
      kind: "resources",
      catalog,
      server: catalog.server,
      original,
      publicName: shown,
      item: {},
      paramHeaders: [],
      meter: this.#deps.meters.of(catalog.server.name, "resources/read"),
      ...this.#cachedResources(catalog.server),
    };
  }

  // One policy for all resources of a server, since a route is made for each read.
  #cachedResources(server: UpstreamServer): { cache?: CachePolicy } {
    if (!this.#resourcePolicies.has(server)) {
      const policy = this.#deps.cachePolicy?.(server, "resources/read", "", undefined);
      this.#resourcePolicies.set(server, policy === undefined ? {} : { cache: policy });
    }
    return this.#resourcePolicies.get(server) ?? {};
  }

  #listings(kind: ListKind, audience: Audience): Listing[] {
    return this.catalogs.map((catalog) => this.#listing(catalog, kind, audience));
  }

  #listing(catalog: ServerCatalog, kind: ListKind, audience: Audience): Listing {
    const id = audience.idFor(catalog.server);
    return id === ""
      ? catalog.listing(kind)
      : catalog.listing(kind, id, audience.keyFor(catalog.server));
  }

  #index(kind: ListKind, audience: Audience): Index {
    const epoch = this.#deps.epoch();
    const key = `${kind} ${this.#audienceKey(audience, epoch)}`;
    const known = this.#indexes.get(key);
    if (known !== undefined && known.epoch === epoch) return known;
    const index = this.#build(kind, audience, epoch);
    if (this.#indexes.size >= INDEXES_MAX) this.#indexes.clear();
    this.#indexes.set(key, index);
    return index;
  }

  #audienceKey(audience: Audience, epoch: number): string {
    if (audience.era === "modern") return "";
    if (audience.memo?.epoch === epoch) return audience.memo.key;
    let key = "";
    for (const catalog of this.catalogs) {
      const id = audience.idFor(catalog.server);
      if (id !== "") key += `${catalog.server.name}=${id};`;
    }
    audience.memo = { epoch, key };
    return key;
  }

  #build(kind: ListKind, audience: Audience, epoch: number): Index {
    const index: Index = {
      epoch,
      routes: new Map(),
      collisions: new Map(),
      held: new Map(),
      items: [],
      missing: [],
      cacheScope: "public",
      pages: new Map(),
    };
    for (const catalog of this.catalogs) this.#addServer(index, kind, catalog, audience);
    for (const [name, { server }] of index.held) this.#collideHeld(index, name, server);
    for (const name of index.collisions.keys()) index.routes.delete(name);
    for (const route of index.routes.values()) index.items.push(route.item);
    this.#addCollisions(index, kind);
    return index;
  }

  // A collision is as old as its first index, not as the newest one.
  #addCollisions(index: Index, kind: ListKind): void {
    for (const [name, owners] of index.collisions) {
      const key = `${kind} ${name} ${owners.join(" ")}`;
      const since = this.#collidedSince.get(key) ?? new Date().toISOString();
      if (this.#collidedSince.size < COLLISIONS_MAX) this.#collidedSince.set(key, since);
      index.missing.push(...collided(name, owners, since));
    }
  }

  #addServer(index: Index, kind: ListKind, catalog: ServerCatalog, audience: Audience): void {
    const view = this.#listing(catalog, kind, audience).view();
    if (view.missing !== undefined) index.missing.push(view.missing);
    if (view.held.length > 0) this.#hold(index, kind, catalog.server, view.held);
    if (view.cacheScope === "private") index.cacheScope = "private";
    for (const item of view.items) {
      const route = this.#route(kind, catalog, item);
      if (route === undefined) continue;
      const other = index.routes.get(route.publicName);
      if (other === undefined) index.routes.set(route.publicName, route);
      else if (other.server !== route.server || other.original !== route.original) {
        const owners = index.collisions.get(route.publicName) ?? [other.server.name];
        index.collisions.set(route.publicName, [...owners, route.server.name]);
      }
    }
  }

  // A name does not fall to another server while its owner's thing is held back.
  #collideHeld(index: Index, name: string, server: string): void {
    const other = index.routes.get(name);
    if (other === undefined) return;
    if (other.server.name === server) index.held.delete(name);
    else if (!index.collisions.has(name)) index.collisions.set(name, [server, other.server.name]);
  }

  // What the view would offer under a name were it approved; what it leaves out anyway is not mentioned.
  #hold(index: Index, kind: ListKind, of: UpstreamServer, listed: readonly Held[]): void {
    const server = of.name;
    const names: string[] = [];
    let since = Infinity;
    for (const held of listed) {
      const prefixed = publicName(server, held.name);
      if (!this.#selection.takesName(server, held.name, prefixed)) continue;
      if (!this.#permitsHeld(kind, of, held.name)) continue;
      const overlay = kind === "tools" ? this.options?.tools[prefixed] : undefined;
      const shown = overlay?.name ?? (this.bare ? held.name : prefixed);
      index.held.set(shown, { server, why: held.reason });
      names.push(prefixed);
      since = Math.min(since, held.since);
    }
    if (names.length > 0) index.missing.push(quarantined(server, kind, names, since));
  }

  #route(kind: ListKind, catalog: ServerCatalog, item: JsonObject): Route | undefined {
    const server = catalog.server;
    const field = FIELD[kind];
    const original = item[field];
    if (typeof original !== "string") return undefined;
    const base = { kind, catalog, server, original };
    if (kind === "resources" || kind === "templates") {
      if (!this.#takesUri(server.name, original)) return undefined;
      const shown = this.publicUri(server.name, original);
      const publicItem = this.bare ? item : { ...item, [field]: shown };
      const meter = this.#deps.meters.of(server.name, "resources/read");
      return { ...base, publicName: shown, item: publicItem, paramHeaders: [], meter };
    }
    const prefixed = publicName(server.name, original);
    if (!this.#selection.takesName(server.name, original, prefixed)) return undefined;
    const overlay = kind === "tools" ? this.options?.tools[prefixed] : undefined;
    const shown = overlay?.name ?? (this.bare ? original : prefixed);
    const params = kind === "tools" ? compileParamHeaders(item["inputSchema"]) : NO_PARAMS;
    if (!params.ok) {
      this.#deps.log.warn(
        { serverId: server.name, tool: original },
        `Tool "${original}" of "${server.name}" is left out: ${params.reason}`,
      );
      return undefined;
    }
    const described = kind === "tools" ? this.#describe(server, item, prefixed) : item;
    if (!this.#permits(server.name, itemOf(kind, server, original, described))) return undefined;
    const cache =
      kind === "tools"
        ? this.#deps.cachePolicy?.(server, "tools/call", original, described["annotations"])
        : undefined;
    return {
      ...base,
      ...(cache !== undefined && { cache }),
      publicName: shown,
      item: { ...described, name: shown },
      paramHeaders: params.headers,
      meter: this.#deps.meters.of(
        server.name,
        kind === "tools" ? original : `prompts/get ${original}`,
      ),
    };
  }

  #describe(server: UpstreamServer, item: JsonObject, prefixed: string): JsonObject {
    const overlay = this.options?.tools[prefixed];
    const given = server.definition.options.annotations ?? {};
    const name = String(item["name"]);
    const ofServer = Object.hasOwn(given, name) ? given[name] : undefined;
    const tool = this.bare ? item : withPublicUi(item, (uri) => this.publicUri(server.name, uri));
    if (overlay === undefined && ofServer === undefined) return tool;
    const annotations = isJsonObject(tool["annotations"]) ? tool["annotations"] : {};
    return {
      ...tool,
      ...(overlay?.title === undefined ? {} : { title: overlay.title }),
      ...(overlay?.description === undefined ? {} : { description: overlay.description }),
      annotations: { ...annotations, ...ofServer, ...overlay?.annotations },
    };
  }

  #takesServer(catalog: ServerCatalog): boolean {
    const owned = ownedOf(catalog);
    if (!this.#selection.mayTake(owned.name)) return false;
    const permissions = this.#narrowed?.permissions;
    if (permissions !== undefined)
      return permissions.reaches(owned, "read") || permissions.reaches(owned, "write");
    return (
      this.project === everyProject ||
      owned.project === everyProject ||
      owned.project === this.project
    );
  }

  #takesUri(server: string, uri: string): boolean {
    return this.#selection.takesUri(server, uri) && this.#permits(server, resourceOf(uri));
  }

  #permits(server: string, item: AccessItem): boolean {
    return (
      this.#narrowed === undefined || this.#narrowed.permissions.decide(useOf(server, item)).allowed
    );
  }

  // What is held back is not looked at, so it is named to whoever might use it, whatever it declares.
  #permitsHeld(kind: ListKind, server: UpstreamServer, name: string): boolean {
    return (
      (kind !== "tools" && kind !== "prompts") ||
      READ_ONLY_OR_NOT.some((annotations) =>
        this.#permits(server.name, itemOf(kind, server, name, { annotations })),
      )
    );
  }

  #overlayOf(name: string): unknown {
    const tools = this.options?.tools ?? {};
    return Object.values(tools).find((overlay) => overlay.name === name);
  }
}

/** Someone's place at an endpoint. */
export interface Bound {
  readonly principal: Principal;
  readonly view: View;
}

interface Narrowed {
  readonly from: View;
  readonly permissions: Permissions;
}

const READ_ONLY_OR_NOT: readonly JsonObject[] = [
  { readOnlyHint: true },
  { readOnlyHint: false, destructiveHint: false },
];

function ownedOf({ server, project }: ServerCatalog): Owned {
  return { name: server.name, project };
}

/** What it is to use something of a server: to read where it only reads, else to write; of some tools of services to manage it. */
export function useOf(server: string, item: AccessItem): AccessRequest {
  if (item.manages === true) return { server, action: "manage", item };
  return { server, action: item.readOnly ? "read" : "write", item };
}

/** A route as decisions see it. */
export function accessItemOf(route: Route): AccessItem {
  const { kind, original, server, item } = route;
  if (kind === "resources" || kind === "templates") return resourceOf(original);
  return itemOf(kind, server, original, item);
}

function hasManaged({ server }: ServerCatalog): boolean {
  return server.definition.service?.tools.some(({ scope }) => scope === "manage") === true;
}

// The names are the server's own and the public one without a bundle's changes: whoever renames a tool in a bundle does not
// change who may use it.
function itemOf(
  kind: "tools" | "prompts",
  { name: server, definition }: UpstreamServer,
  original: string,
  item: JsonObject,
): AccessItem {
  const prefixed = publicName(server, original);
  const names = { original, publicNames: [prefixed, `${server}__${original}`] };
  if (kind === "prompts") return { kind: "prompt", ...names, readOnly: true, destructive: false };
  const given = item["annotations"];
  const hints = isJsonObject(given) ? given : {};
  const readOnly = hints["readOnlyHint"] === true;
  // As the protocol has it: what says nothing of itself may destroy.
  const destructive = !readOnly && hints["destructiveHint"] !== false;
  const own = definition.service?.tools.find(({ name }) => name === original);
  const manages = own?.scope === "manage";
  return { kind: "tool", ...names, readOnly, destructive, ...(manages && { manages }) };
}

function resourceOf(uri: string): AccessItem {
  return { kind: "resource", original: uri, publicNames: [], readOnly: true, destructive: false };
}

/** Throws BUNDLE_COLLISION where a bundle already has two owners for one name. */
export function refuseCollisions(view: View, audience: Audience): void {
  for (const kind of ["tools", "prompts"] as const) {
    for (const [name, owners] of view.collisions(kind, audience)) {
      throw new SignalboxError(
        "BUNDLE_COLLISION",
        `Bundle "${view.name}" cannot serve its names: "${name}" is offered by ${owners.map((owner) => `"${owner}"`).join(" and ")}. Exclude one, rename one, or use prefixed names.`,
        { details: { name, owners: [...owners] } },
      );
    }
  }
}

interface Index {
  readonly epoch: number;
  readonly routes: Map<string, Route>;
  readonly collisions: Map<string, readonly string[]>;
  /** Names that would lead somewhere were they approved. */
  readonly held: Map<string, { readonly server: string; readonly why: string }>;
  readonly items: JsonObject[];
  readonly missing: Missing[];
  cacheScope: "public" | "private";
  readonly pages: Map<string, KeptPage>;
}

/** A page with its text but for how long it may be kept, which is less each time. */
interface KeptPage extends ListPage {
  readonly text: string;
  readonly ttlMs: number | undefined;
}

const UNKNOWN: Resolution = { ok: false, reason: "unknown" };
const NO_PARAMS = { ok: true, headers: [] } as const;
const INDEXES_MAX = 256;
const HELD_NAMES_SHOWN = 10;
const COLLISIONS_MAX = 1_000;

const FIELD: Record<ListKind, string> = {
  tools: "name",
  prompts: "name",
  resources: "uri",
  templates: "uriTemplate",
};

const MEMBER: Record<ListKind, string> = {
  tools: "tools",
  prompts: "prompts",
  resources: "resources",
  templates: "resourceTemplates",
};

// The server's part is not there at all: neither older items are served, nor only some are left out.
function isAway(missing: Missing): boolean {
  return (
    !missing.stale && missing.reason !== "BUNDLE_COLLISION" && missing.reason !== "TOOL_QUARANTINED"
  );
}

// Public names, in which nothing but letters, digits, "_" and "-" can stand: they are read by whatever reads the list.
function quarantined(server: string, kind: ListKind, names: string[], since: number): Missing {
  const shown = names.slice(0, HELD_NAMES_SHOWN).join(", ");
  const more = names.length - HELD_NAMES_SHOWN;
  const all = more > 0 ? `${shown} and ${more} more` : shown;
  return {
    server,
    reason: "TOOL_QUARANTINED",
    message: `Held back until approved, of its ${kind}: ${all}.`,
    since: new Date(since).toISOString(),
    stale: false,
  };
}

function collided(name: string, owners: readonly string[], since: string): Missing[] {
  return owners.map((server) => ({
    server,
    reason: "BUNDLE_COLLISION",
    message: `"${name}" is offered by ${owners.join(" and ")} and left out.`,
    since,
    stale: false,
  }));
}

function pageText(
  index: Index,
  kind: ListKind,
  era: Era,
  offset: number,
  { pageSize, serverInfo }: Pick<ViewDeps, "pageSize" | "serverInfo">,
): string {
  const convert = kind !== "tools" ? undefined : era === "modern" ? toModernTool : toLegacyTool;
  const slice = index.items.slice(offset, offset + pageSize);
  const items = convert === undefined ? slice : slice.map((item) => convert(item));
  const next = offset + pageSize;
  const result: JsonObject = { [MEMBER[kind]]: items };
  if (next < index.items.length) result["nextCursor"] = cursorAt(next);
  if (era === "modern") {
    result["resultType"] = "complete";
    result["cacheScope"] = index.cacheScope;
  }
  const meta: JsonObject = {};
  if (era === "modern" && serverInfo !== undefined) meta[META.serverInfo] = serverInfo;
  if (index.missing.length > 0) {
    meta[META.missing] = index.missing.map(({ server, reason, message, since, stale }) => ({
      server,
      reason,
      message,
      since,
      ...(stale ? { served: "last known" } : {}),
    }));
  }
  if (Object.keys(meta).length > 0) result["_meta"] = meta;
  return stringify(result);
}

function cursorAt(offset: number): string {
  return Buffer.from(`page:${offset}`).toString("base64url");
}

function offsetOf(cursor: unknown): number | undefined {
  if (cursor === undefined) return 0;
  if (typeof cursor !== "string") return undefined;
  const match = /^page:(\d{1,9})$/.exec(Buffer.from(cursor, "base64url").toString("latin1"));
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

/** Whether a URI can have come from a URI template (RFC 6570): its fixed parts occur in order. */
export function matchesTemplate(template: string, uri: string): boolean {
  const fixed = template.split(/\{[^}]*\}/);
  let at = 0;
  for (const [position, part] of fixed.entries()) {
    const found = uri.indexOf(part, at);
    if (found < 0 || (position === 0 && found !== 0)) return false;
    at = found + part.length;
  }
  const last = fixed.at(-1) ?? "";
  return last === "" || uri.endsWith(last);
}
