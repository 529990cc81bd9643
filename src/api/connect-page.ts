// The pages on which a person connects to servers. They need no script: each server has a link, and the answer of the
// authorization server leads back here. Everything shown that is not ours is escaped.
import type { PageView } from "../access/index.ts";
import { escaped } from "./html.ts";
import { plainPage, plainPagePolicy } from "./plain-page.ts";

/** What a principal may connect to, each with a link. `done`: a server that was connected just now. */
export function connectPage({ principal, servers }: PageView, done: string | undefined): string {
  const wanted = servers.filter((server) => server.wanted);
  const others = servers.filter((server) => !server.wanted);
  return plainPage(
    "Connect servers",
    `${done === undefined ? "" : `<p class="done" role="status">Connected to <b>${escaped(done)}</b>. You can go back to what you were doing and try again.</p>`}
<p class="lead">The tools behind this gateway that act for a person need that person's consent. What you allow here, calls made with
<b>${escaped(principal)}</b> may do in your name.</p>
<p class="warn">Go on only if <b>${escaped(principal)}</b> is yours and you asked for this link yourself.</p>
${list(wanted)}${others.length === 0 ? "" : `${wanted.length === 0 ? "" : "<h2>Other servers</h2>"}${list(others)}`}
${servers.length === 0 ? "<p>No server asks for a consent.</p>" : ""}`,
  );
}

/** Why there is nothing to be done here. */
export function connectFailedPage(message: string, remedy: string): string {
  return plainPage(
    "Not connected",
    `<p class="warn" role="alert">${escaped(message)}</p><p>${escaped(remedy)}</p>`,
  );
}

function list(servers: PageView["servers"]): string {
  if (servers.length === 0) return "";
  return `<ul>${servers.map(item).join("")}</ul>`;
}

function item({ server, state, mode, issuer, scopes, start }: PageView["servers"][number]): string {
  const facts = [
    STATES[state],
    ...(mode === "gateway" ? ["shared by all callers of this gateway"] : []),
    ...(issuer === undefined ? [] : [`by ${issuer}`]),
    ...(scopes === undefined || scopes.length === 0 ? [] : [`may: ${scopes.join(", ")}`]),
  ];
  return `<li><div><b>${escaped(server)}</b><span>${escaped(facts.join(" · "))}</span></div>
<a class="go" href="${escaped(start)}">${state === "connected" ? "Connect anew" : "Connect"}</a></li>`;
}

const STATES = {
  connected: "connected",
  needed: "not connected",
  refused: "connected, but the server asks for a new consent",
  automatic: "connected by the gateway",
} as const;

/** The pages' Content-Security-Policy. */
export const connectPagePolicy = plainPagePolicy("none");
