// One page without scripts, for whoever opens the gateway's address in a browser. It is public, so it tells what any
// stranger may know: what runs, where MCP is served, and how a holder of a key connects.
import { escaped, icon } from "./html.ts";
import { pageHeaders } from "./plain-page.ts";
import { hidden } from "./sign-in-page.ts";

/** Who looks at the page, with what its form must send back. */
export interface Visitor {
  readonly name: string;
  readonly role: string;
  readonly formToken: string;
}

/** The page. `address` is where the reader reached the gateway, as in `http://127.0.0.1:8100`. */
export function startPage({
  version,
  address,
  visitor,
}: {
  version: string;
  address: string;
  visitor: Visitor | undefined;
}): string {
  const endpoint = escaped(`${address}/mcp`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>Signalbox</title>
<link rel="icon" href="${icon}">
<style>${styles}</style>
</head>
<body>
<main>
<header>
${whoIsHere(visitor)}
<p class="state"><span class="lamp" aria-hidden="true"></span>Running · version ${escaped(version)}</p>
<h1>Signalbox</h1>
<p class="lead">One MCP endpoint, every server behind it. Give an agent this address and a key:</p>
<p class="endpoint"><code>${endpoint}</code></p>
</header>

<section aria-labelledby="first">
<h2 id="first">First thing to try</h2>
<p>Add a server that has one of everything, then call one of its tools:</p>
<pre><code>npx signalbox servers add everything
npx signalbox call everything__echo --args '{"message":"hello"}'</code></pre>
</section>

<section aria-labelledby="connect">
<h2 id="connect">Connect a client</h2>
<h3>Claude Code</h3>
<pre><code>claude mcp add --transport http signalbox ${endpoint} \\
  --header "Authorization: Bearer &lt;YOUR_KEY&gt;"</code></pre>
<h3>Any client with a JSON configuration</h3>
<pre><code>{
  "mcpServers": {
    "signalbox": {
      "type": "http",
      "url": "${endpoint}",
      "headers": { "Authorization": "Bearer &lt;YOUR_KEY&gt;" }
    }
  }
}</code></pre>
<p>Other clients: <code>npx signalbox connect</code> prints what to paste for each.
Desktop clients that start a local program run <code>npx signalbox stdio</code>.</p>
</section>

<section aria-labelledby="keys">
<h2 id="keys">Keys</h2>
<p>The first admin key was shown when the gateway started for the first time and is kept in <code>admin.key</code> in its
home folder. Make one for each client:</p>
<pre><code>npx signalbox keys create laptop</code></pre>
</section>

<section aria-labelledby="more">
<h2 id="more">More</h2>
<ul>
<li><a href="/health">/health</a> and <a href="/ready">/ready</a>: how this gateway fares, open to all</li>
<li><a href="/openapi.json">/openapi.json</a>: the HTTP API, with a key:
<code>curl -H "Authorization: Bearer &lt;YOUR_KEY&gt;" ${escaped(address)}/openapi.json</code></li>
<li>Documentation: <code>README.md</code> and the folder <code>docs</code> that came with the gateway;
<code>npx signalbox --help</code> for the command line</li>
</ul>
</section>
</main>
</body>
</html>
`;
}

function whoIsHere(visitor: Visitor | undefined): string {
  if (visitor === undefined) return '<p class="who"><a href="/sign-in">Sign in</a></p>';
  return `<form class="who" method="post" action="/sign-out">
${hidden({ form_token: visitor.formToken })}
<span>Signed in as <b>${escaped(visitor.name)}</b> (${escaped(visitor.role)})</span> <button type="submit">Sign out</button>
</form>`;
}

const styles = `
:root { --ground: #fbfaf7; --card: #fff; --ink: #1d2327; --soft: #5b6670; --line: #dedbd2; --accent: #0b6b4f; --lamp: #1d9e6c; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14181b; --card: #1c2226; --ink: #e8eaea; --soft: #9fabb3; --line: #323b41; --accent: #6fd3ac; --lamp: #3fd197; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 1rem/1.6 system-ui, sans-serif; }
main { max-width: 46rem; margin: 0 auto; padding: 3rem 1.25rem 4rem; }
h1 { margin: 0 0 .5rem; font-size: 2.5rem; line-height: 1.1; letter-spacing: -.02em; }
h2 { margin: 2.5rem 0 .5rem; font-size: 1.25rem; }
h3 { margin: 1.25rem 0 .25rem; font-size: 1rem; color: var(--soft); }
p { margin: .5rem 0; }
.state { display: flex; align-items: center; gap: .5rem; margin: 0 0 1rem; color: var(--soft); font-size: .9rem; }
.who { margin: 0 0 1rem; text-align: right; font-size: .9rem; color: var(--soft); }
.who button { margin-left: .5rem; padding: .25rem .7rem; border: 1px solid var(--line); border-radius: .4rem; background: var(--card); color: var(--ink); font: inherit; cursor: pointer; }
.who button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.lamp { width: .7rem; height: .7rem; border-radius: 50%; background: var(--lamp); box-shadow: 0 0 .5rem var(--lamp); }
.lead { font-size: 1.15rem; color: var(--soft); }
.endpoint { margin: 1rem 0; padding: .9rem 1.1rem; background: var(--card); border: 1px solid var(--line); border-left: .3rem solid var(--accent); border-radius: .4rem; font-size: 1.15rem; overflow-x: auto; }
pre { margin: .5rem 0; padding: .9rem 1.1rem; background: var(--card); border: 1px solid var(--line); border-radius: .4rem; overflow-x: auto; }
code { font: .92em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.endpoint code { font-size: 1em; user-select: all; }
ul { padding-left: 1.2rem; }
li { margin: .35rem 0; overflow-wrap: anywhere; }
a { color: var(--accent); }
a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
`;

/** Sent with the page. */
export const startPageHeaders = pageHeaders(styles);
