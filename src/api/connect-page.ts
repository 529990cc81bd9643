// The pages on which a person connects to servers. They need no script: each server has a link, one that is connected a form
// that ends that, and the answer of the authorization server leads back here. Everything shown that is not ours is escaped.
import { createHash } from "node:crypto";
import type { ConnectResult, PageView } from "../access/index.ts";
import { escaped, icon } from "./html.ts";

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
  return page(
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
  return page(
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
<form method="post" action="${escaped(end)}"><button aria-label="Disconnect ${name}">Disconnect</button></form>`;
  return `<li><div><b>${name}</b><span>${escaped(facts.join(" · "))}</span></div><div class="do">${go}</div></li>`;
}

const STATES = {
  connected: "connected",
  needed: "not connected",
  refused: "connected, but the server asks for a new consent",
  automatic: "connected by the gateway",
} as const;

function page(title: string, content: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${title} · Signalbox</title>
<link rel="icon" href="${icon}">
<style>${styles}</style>
</head>
<body>
<main>
<h1>${title}</h1>
${content}
</main>
</body>
</html>
`;
}

const styles = `
:root { --ground: #fbfaf7; --card: #fff; --ink: #1d2327; --soft: #5b6670; --line: #dedbd2; --accent: #0b6b4f; --on: #fff; --warn: #8a4b00; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14181b; --card: #1c2226; --ink: #e8eaea; --soft: #9fabb3; --line: #323b41; --accent: #6fd3ac; --on: #10201a; --warn: #f0b45e; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 1rem/1.6 system-ui, sans-serif; }
main { max-width: 42rem; margin: 0 auto; padding: 3rem 1.25rem 4rem; }
h1 { margin: 0 0 .5rem; font-size: 2rem; letter-spacing: -.02em; }
h2 { margin: 2rem 0 .5rem; font-size: 1.1rem; }
.lead { color: var(--soft); }
.warn { border-left: .3rem solid var(--warn); padding: .25rem .9rem; }
.done { border-left: .3rem solid var(--accent); padding: .25rem .9rem; }
ul { list-style: none; padding: 0; }
li { display: flex; flex-wrap: wrap; gap: .75rem; align-items: center; justify-content: space-between; padding: .9rem 1.1rem; margin: .6rem 0; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; overflow-wrap: anywhere; }
li span { display: block; color: var(--soft); font-size: .9rem; }
.go { background: var(--accent); color: var(--on); text-decoration: none; padding: .45rem 1rem; border-radius: .4rem; font-weight: 600; }
.do { display: flex; flex-wrap: wrap; gap: .75rem; align-items: center; }
button { background: none; color: var(--ink); border: 1px solid var(--soft); padding: .4rem 1rem; border-radius: .4rem; font: inherit; cursor: pointer; }
.go:focus-visible, button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
`;

/**
 * Sent with the pages. Their policy: their own style sheet by its hash, the icon, and forms that lead back here. With
 * `no-referrer` browsers would send these forms with `Origin: null`, which the listener refuses; no other site is told anything.
 */
export const connectPageHeaders: Readonly<Record<string, string>> = {
  "Content-Security-Policy": [
    "default-src 'none'",
    `style-src 'sha256-${createHash("sha256").update(styles).digest("base64")}'`,
    "img-src data:",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'self'",
  ].join("; "),
  "Referrer-Policy": "same-origin",
};
