/**
 * Public names: what a client sees instead of what a server calls its things.
 *
 * A tool's or prompt's public name is `{server}__{name}`, at most 64 characters of `[A-Za-z0-9_-]`. A name that does not
 * fit is shortened and ends in a hash of the whole, so it depends on the server and its own name alone and never changes
 * because another server joined. A resource's public URI is `signalbox://{server}/{uri}`; `ui://` keeps its scheme, since
 * hosts recognise MCP Apps by it (ext-apps 2026-01-26, "UI resources").
 */
import { createHash } from "node:crypto";
import { serverName as anyServerName } from "../upstream/index.ts";

export const SEPARATOR = "__";
const NAME_LENGTH_MAX = 64;
const HASH_LENGTH = 8;
export const RESOURCE_SCHEME = "signalbox://";
const UI_SCHEME = "ui://";

/** A server's name. It does not end in "_": else `a_` with its `x` and `a` with its `_x` would have one public name. */
export const serverName = anyServerName.refine(
  (name) => !name.endsWith("_"),
  'a server\'s name must not end in "_"',
);

/** The public name of a server's tool or prompt. */
export function publicName(server: string, name: string): string {
  const whole = `${server}${SEPARATOR}${name}`;
  const clean = whole.replaceAll(/[^A-Za-z0-9_-]/g, "_");
  if (clean === whole && whole.length <= NAME_LENGTH_MAX) return whole;
  const hash = createHash("sha256").update(whole).digest("hex").slice(0, HASH_LENGTH);
  return `${clean.slice(0, NAME_LENGTH_MAX - HASH_LENGTH - 1)}_${hash}`;
}

/** The server a public name begins with, if it has the form of one. */
export function serverOfName(name: string): string | undefined {
  const at = name.indexOf(SEPARATOR);
  return at > 0 ? name.slice(0, at) : undefined;
}

/** The public form of a server's resource URI or URI template. */
export function publicUri(server: string, uri: string): string {
  return uri.startsWith(UI_SCHEME)
    ? `${UI_SCHEME}${server}/${uri.slice(UI_SCHEME.length)}`
    : `${RESOURCE_SCHEME}${server}/${uri}`;
}

/** The server and its own URI behind a public one; undefined where it is not of that form. */
export function ownerOfUri(uri: string): { server: string; uri: string } | undefined {
  const scheme = uri.startsWith(RESOURCE_SCHEME)
    ? RESOURCE_SCHEME
    : uri.startsWith(UI_SCHEME)
      ? UI_SCHEME
      : undefined;
  if (scheme === undefined) return undefined;
  const slash = uri.indexOf("/", scheme.length);
  if (slash <= scheme.length) return undefined;
  const rest = uri.slice(slash + 1);
  return {
    server: uri.slice(scheme.length, slash),
    uri: scheme === UI_SCHEME ? `${UI_SCHEME}${rest}` : rest,
  };
}
