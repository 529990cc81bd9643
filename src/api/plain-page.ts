// The frame of the pages that need no script.
import { createHash } from "node:crypto";
import { icon } from "./html.ts";

/** A page of the gateway's own: a heading and what is below it, which must be escaped already. */
export function plainPage(title: string, content: string): string {
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
.go { display: inline-block; background: var(--accent); color: var(--on); text-decoration: none; padding: .45rem 1rem; border-radius: .4rem; font-weight: 600; }
.do { display: flex; flex-wrap: wrap; gap: .75rem; align-items: center; }
.go:focus-visible, button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
form { max-width: 24rem; }
label { display: block; margin: 1rem 0 .25rem; font-weight: 600; }
.hint { margin: .25rem 0 0; color: var(--soft); font-size: .9rem; }
input { width: 100%; padding: .55rem .7rem; border: 1px solid var(--soft); border-radius: .4rem; background: var(--card); color: var(--ink); font: inherit; }
input:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
button { margin-top: 1.25rem; border: 0; cursor: pointer; font: inherit; }
.quiet { margin: 0; background: none; color: var(--ink); border: 1px solid var(--soft); padding: .4rem 1rem; border-radius: .4rem; }
`;

/**
 * Sent with a page that has one style sheet. The policy allows that by its hash, the icon, and forms that lead back here. With
 * `no-referrer` browsers would send these forms with `Origin: null`, which the listener refuses; no other site is told anything.
 */
export function pageHeaders(sheet: string): Readonly<Record<string, string>> {
  return {
    "Content-Security-Policy": [
      "default-src 'none'",
      `style-src 'sha256-${createHash("sha256").update(sheet).digest("base64")}'`,
      "img-src data:",
      "frame-ancestors 'none'",
      "base-uri 'none'",
      "form-action 'self'",
    ].join("; "),
    "Referrer-Policy": "same-origin",
  };
}

/** Sent with plain pages. */
export const plainPageHeaders = pageHeaders(styles);
