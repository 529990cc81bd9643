// Who may come without a credential is decided by the socket's other end alone. A proxy's header that names another address is
// a claim of whoever sent it, so a request that carries one is not let in this way, whatever it says; nor is one that a
// browser sent for a page.
import type { BlockList } from "node:net";
import type { IncomingHttpHeaders } from "node:http";
import { holds, networkList, plainAddress } from "./network-options.ts";
import type { Principal } from "./principal.ts";
import { defaultProject } from "./project.ts";
import { Roles } from "./roles.ts";

export interface NetworkBypassOptions {
  readonly loopback_bypass: boolean;
  readonly trusted_networks: readonly string[];
  readonly network_role: string;
}

export type BypassOutcome =
  | { readonly ok: true; readonly principal: Principal }
  /** "untrusted": not from there. "forwarded", "browser": from there, but through something that makes it worthless. */
  | { readonly ok: false; readonly reason: "untrusted" | "forwarded" | "browser" };

export class NetworkBypass {
  readonly #trusted: BlockList;
  readonly #outcome: BypassOutcome;

  constructor(options: NetworkBypassOptions) {
    const { loopback_bypass, trusted_networks, network_role } = options;
    this.#trusted = networkList([...(loopback_bypass ? LOOPBACK : []), ...trusted_networks]);
    const principal = new Roles().principal({
      id: "network",
      name: "network",
      kind: "network",
      role: network_role,
      project: defaultProject,
      bundles: "all",
    });
    this.#outcome = Object.freeze({ ok: true, principal });
  }

  /** Whether a request without any credential is let in from this address. */
  admit(address: string | undefined, headers: IncomingHttpHeaders): BypassOutcome {
    if (!holds(this.#trusted, plainAddress(address))) return UNTRUSTED;
    if (Object.keys(headers).some(tellsOfAProxy)) return FORWARDED;
    if (headers.origin !== undefined || headers["sec-fetch-site"] !== undefined) return BROWSER;
    return this.#outcome;
  }
}

/** The bypass where anything is let in by it; undefined where nothing is. */
export function networkBypass(options: NetworkBypassOptions): NetworkBypass | undefined {
  const anything = options.loopback_bypass || options.trusted_networks.length > 0;
  return anything ? new NetworkBypass(options) : undefined;
}

const LOOPBACK = ["127.0.0.0/8", "::1"];
const UNTRUSTED: BypassOutcome = { ok: false, reason: "untrusted" };
const FORWARDED: BypassOutcome = { ok: false, reason: "forwarded" };
const BROWSER: BypassOutcome = { ok: false, reason: "browser" };

function tellsOfAProxy(header: string): boolean {
  return (
    proxyHeaders.has(header) ||
    header.startsWith("x-forwarded") ||
    header.startsWith("x-original-") ||
    header.startsWith("x-envoy-") ||
    header.startsWith("cf-")
  );
}

const proxyHeaders: ReadonlySet<string> = new Set([
  "forwarded",
  "via",
  "x-real-ip",
  "x-client-ip",
  "x-cluster-client-ip",
  "x-remote-addr",
  "x-remote-ip",
  "x-host",
  "true-client-ip",
  "fastly-client-ip",
  "fly-client-ip",
  "x-appengine-user-ip",
  "x-azure-clientip",
  "x-azure-socketip",
  "cdn-loop",
]);
