/** How the gateway introduces itself: `initialize` and `server/discover`. */
import {
  LEGACY_REVISIONS,
  META,
  MODERN_REVISION,
  isJsonObject,
  type JsonObject,
} from "../protocol/index.ts";
import type { View } from "./view.ts";

const INSTRUCTIONS_MAX = 16 * 1024;
/** Extensions whose messages cross the gateway unchanged. */
const EXTENSIONS = ["io.modelcontextprotocol/ui"];

export interface Identity {
  readonly name: string;
  readonly version: string;
}

/** What a legacy client may ask for. Servers come and go behind one endpoint, so everything is declared. */
export function legacyCapabilities(): JsonObject {
  return {
    tools: { listChanged: true },
    prompts: { listChanged: true },
    resources: { listChanged: true, subscribe: true },
    completions: {},
    logging: {},
  };
}

/** The result of `server/discover` for a view. */
export function discoverResult(view: View, identity: Identity): JsonObject {
  const instructions = instructionsOf(view);
  return {
    resultType: "complete",
    supportedVersions: [MODERN_REVISION, ...LEGACY_REVISIONS],
    capabilities: { ...legacyCapabilities(), ...extensionsOf(view) },
    ...(instructions === undefined ? {} : { instructions }),
    ttlMs: 0,
    cacheScope: "private",
    _meta: { [META.serverInfo]: identity },
  };
}

/** The result of `initialize` for a view. */
export function initializeResult(view: View, identity: Identity, revision: string): JsonObject {
  const instructions = instructionsOf(view);
  return {
    protocolVersion: revision,
    capabilities: legacyCapabilities(),
    serverInfo: identity,
    ...(instructions === undefined ? {} : { instructions }),
  };
}

// A bare view of one server is that server to its clients, so its words are passed on as they are.
function instructionsOf(view: View): string | undefined {
  const parts: string[] = [];
  if (view.options?.description !== undefined) parts.push(view.options.description);
  for (const catalog of view.catalogs) {
    const { server } = catalog;
    const text = catalog.instructions();
    if (text === undefined || text === "") continue;
    parts.push(view.bare ? text : `# ${server.name}\n${text}`);
  }
  const whole = parts.join("\n\n");
  return whole === "" ? undefined : whole.slice(0, INSTRUCTIONS_MAX);
}

/** Takes out of a client's capabilities the extensions whose messages would not reach it, so that no server uses them. */
export function limitExtensions(capabilities: JsonObject): void {
  const { extensions } = capabilities;
  if (isJsonObject(extensions)) capabilities["extensions"] = passing(extensions);
  else delete capabilities["extensions"];
}

function passing(declared: JsonObject): JsonObject {
  const kept: JsonObject = {};
  for (const name of EXTENSIONS) if (name in declared) kept[name] = declared[name];
  return kept;
}

function extensionsOf(view: View): JsonObject {
  const extensions: JsonObject = {};
  for (const { server } of view.catalogs) {
    const declared = server.introduction?.capabilities["extensions"];
    if (isJsonObject(declared)) Object.assign(extensions, passing(declared));
  }
  return Object.keys(extensions).length === 0 ? {} : { extensions };
}
