// The pages on which a person connects to servers. They need no script: each server has a link, one that is connected a form
// that ends that, and the answer of the authorization server leads back here. Everything shown that is not ours is escaped.
import type { ConnectResult, PageView } from "../access/index.ts";
import { escaped } from "./html.ts";
import { plainPage } from "./plain-page.ts";

/** What was just done, as the page's address says; believed only of a server on the page, and where it is so. */
export interface Said {
  readonly server?: string | undefined;
  readonly outcome?: ConnectResult["outcome"] | undefined;
}

/** What a principal may connect to, and is connected to. */
export function connectPage(view: PageView, said: Said): string {
  const { principal, servers } = view;
  const wanted = servers.filter((server) => server.wanted);
  const others = servers.filter((server) => !server.wanted);
  return plainPage(
    "Connect servers",
    `${notice(view, said)}
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

function notice({ servers }: PageView, { server: name, outcome }: Said): string {
  const server = servers.find((one) => one.server === name);
  if (server === undefined || outcome === undefined) return "";
  const shown = `<b>${escaped(server.server)}</b>`;
  const isConnected = server.state === "connected";
  if (outcome === "denied" && isConnected)
    return status("warn", `Nothing was allowed; the connection to ${shown} stays as it was.`);
  if (outcome === "denied")
    return status(
      "warn",
      `Not connected to ${shown}: access was not allowed. If that was a mistake, connect below.`,
    );
  if (outcome === "connected" && isConnected)
    return status(
      "done",
      `Connected to ${shown}. You can go back to what you were doing and try again.`,
    );
  if (outcome === "ended" && server.state === "needed")
    return status("done", `Disconnected from ${shown}. The next call asks for your consent again.`);
  return "";
}

function status(kind: "done" | "warn", sentence: string): string {
  return `<p class="${kind}" role="status">${sentence}</p>`;
}

function list(servers: PageView["servers"]): string {
  if (servers.length === 0) return "";
  return `<ul>${servers.map(item).join("")}</ul>`;
}

// What a button does is said in full to who hears it by itself.
function item({ start, end, ...view }: PageView["servers"][number]): string {
  const { server, state, mode, issuer, scopes } = view;
  const name = escaped(server);
  const facts = [
    STATES[state],
    ...(mode === "gateway" ? ["shared by all callers of this gateway"] : []),
    ...(issuer === undefined ? [] : [`by ${issuer}`]),
    ...(scopes === undefined || scopes.length === 0 ? [] : [`may: ${scopes.join(", ")}`]),
  ];
  const go =
    end === undefined
      ? `<a class="go" href="${escaped(start)}" aria-label="Connect ${name}">Connect</a>`
      : `<a class="go" href="${escaped(start)}" aria-label="Connect anew: ${name}">Connect anew</a>
<form method="post" action="${escaped(end)}"><button class="quiet" aria-label="Disconnect ${name}">Disconnect</button></form>`;
  return `<li><div><b>${name}</b><span>${escaped(facts.join(" · "))}</span></div><div class="do">${go}</div></li>`;
}

const STATES = {
  connected: "connected",
  needed: "not connected",
  refused: "connected, but the server asks for a new consent",
  automatic: "connected by the gateway",
} as const;
