// Protection against DNS rebinding: a web page whose name was pointed at this machine reaches the listener with
// its own name in `Host` and its own address in `Origin`. Accepted hosts are therefore:
// - `localhost`, `127.0.0.1` and `[::1]` with any port: a page cannot take these names;
// - the host the listener is bound to, unless it is bound to every interface;
// - what `allowed_hosts` names (`name` for any port, `name:port` for one);
// - when bound to every interface with `allowed_hosts` empty: IP literals only. The names under which such a
//   listener is reached cannot be known, but an address, unlike a name, cannot be pointed elsewhere.
// An `Origin` may be absent (no browser). Otherwise it must be named in `allowed_origins`, or be the same host and
// port as `Host`, or be a loopback page that talks to a loopback host. `null` (sandboxed frames, files) is refused.
import { isIP, isIPv6 } from "node:net";
import { z } from "zod";

export type HostOutcome =
  | { ok: true }
  | { ok: false; code: "HOST_REFUSED" | "ORIGIN_REFUSED"; message: string };

/** The hosts and origins a listener answers to; built once by `hostPolicy`. */
export interface HostPolicy {
  readonly hosts: ReadonlySet<string>;
  readonly origins: ReadonlySet<string>;
  readonly anyAddress: boolean;
  /** `Host` headers that were accepted before, as they were written: nearly all requests carry one of a few. */
  readonly seen: Set<string>;
}

/** The part of the configuration that `hostPolicy` reads. */
export const hostOptions = z.strictObject({
  allowed_hosts: z
    .array(
      z.string().refine((host) => parseHost(host) !== undefined, "must be `name` or `name:port`"),
    )
    .max(1000)
    .default([])
    .describe("Hosts this gateway is reached by, as `name` (any port) or `name:port`."),
  allowed_origins: z
    .array(z.string().regex(/^[a-z][a-z0-9+.-]*:\/\/[^/\s*]+$/i, "must be `scheme://host[:port]`"))
    .max(1000)
    .default([])
    .describe("Origins of web pages that may call this gateway, as `scheme://host[:port]`."),
});

/** The policy of a listener bound to `host`. */
export function hostPolicy(options: {
  host: string;
  allowedHosts?: readonly string[];
  allowedOrigins?: readonly string[];
}): HostPolicy {
  const allowed = options.allowedHosts ?? [];
  const everyInterface = unspecified.has(options.host);
  const bound = everyInterface ? [] : [bracketed(options.host.toLowerCase())];
  return {
    hosts: new Set([...loopback, ...bound, ...allowed.map((host) => host.toLowerCase())]),
    origins: new Set((options.allowedOrigins ?? []).map((origin) => origin.toLowerCase())),
    anyAddress: everyInterface && allowed.length === 0,
    seen: new Set(),
  };
}

/** Whether a request's `Host` and `Origin` are ones the listener answers to. */
export function checkHost(
  headers: { readonly host?: string | undefined; readonly origin?: string | string[] | undefined },
  policy: HostPolicy,
): HostOutcome {
  const { host: written, origin } = headers;
  if (written === undefined) return hostRefused;
  if (origin === undefined && policy.seen.has(written)) return accepted;
  const host = parseHost(written);
  if (host === undefined || !hostAccepted(host, policy)) return hostRefused;
  if (policy.seen.size < seenHostsMax) policy.seen.add(written);
  if (origin === undefined) return accepted;
  return typeof origin === "string" && originAccepted(origin, host, policy)
    ? accepted
    : originRefused;
}

interface Host {
  /** Lower case; IPv6 in brackets. */
  name: string;
  port: string | undefined;
}

function hostAccepted(host: Host, policy: HostPolicy): boolean {
  if (policy.hosts.has(host.name)) return true;
  if (host.port !== undefined && policy.hosts.has(`${host.name}:${host.port}`)) return true;
  return policy.anyAddress && isIP(unbracketed(host.name)) !== 0;
}

function originAccepted(origin: string, host: Host, policy: HostPolicy): boolean {
  const lower = origin.toLowerCase();
  if (policy.origins.has(lower)) return true;
  const parts = webOrigin.exec(lower);
  const scheme = parts?.[1];
  const from = parts?.[2] === undefined ? undefined : parseHost(parts[2]);
  if (scheme === undefined || from === undefined) return false;
  if (loopback.has(host.name) && loopback.has(from.name)) return true;
  const standard = scheme === "https" ? "443" : "80";
  return from.name === host.name && (from.port ?? standard) === (host.port ?? standard);
}

function parseHost(text: string): Host | undefined {
  if (text.length > hostLengthMax) return undefined;
  const parts = hostShape.exec(text.toLowerCase());
  const name = parts?.[1];
  const port = parts?.[2];
  if (name === undefined || Number(port ?? 0) > 65_535) return undefined;
  if (name.startsWith("[") && !isIPv6(unbracketed(name))) return undefined;
  return { name, port };
}

function bracketed(host: string): string {
  return isIPv6(host) ? `[${host}]` : host;
}

function unbracketed(host: string): string {
  return host.startsWith("[") ? host.slice(1, -1) : host;
}

const loopback: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);
const unspecified: ReadonlySet<string> = new Set(["", "0.0.0.0", "::", "[::]"]);
const hostLengthMax = 300;
const seenHostsMax = 256;
const hostShape = /^([a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?$/;
const webOrigin = /^(https?):\/\/([^/]+)$/;

const accepted: HostOutcome = Object.freeze({ ok: true });
const hostRefused: HostOutcome = Object.freeze({
  ok: false,
  code: "HOST_REFUSED",
  message: "This host name is not one the gateway answers to; name it in `allowed_hosts`.",
});
const originRefused: HostOutcome = Object.freeze({
  ok: false,
  code: "ORIGIN_REFUSED",
  message: "Pages of this origin may not call the gateway; name it in `allowed_origins`.",
});
