// The pages on which a person connects to servers. They need no script: each server has a link, and the answer of the
// authorization server leads back here. Everything shown that is not ours is escaped.
import { createHash } from "node:crypto";
import type { PageView } from "../access/index.ts";
import { escaped } from "./html.ts";

/** What a principal may connect to, each with a link. `done`: a server that was connected just now. */
export function connectPage({ principal, servers }: PageView, done: string | undefined): string {
  const wanted = servers.filter((server) => server.wanted);
  const others = servers.filter((server) => !server.wanted);
  return page(
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
  return page(
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

function page(title: string, content: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${title} · Signalbox</title>
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
.go:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
`;

/** The pages' Content-Security-Policy: their own style sheet by its hash, and nothing else. */
export const connectPagePolicy = [
  "default-src 'none'",
  `style-src 'sha256-${createHash("sha256").update(styles).digest("base64")}'`,
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");
