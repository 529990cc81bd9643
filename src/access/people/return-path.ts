/** Where somebody goes after signing in: a path of this gateway, whatever was asked for. */
export function returnPath(asked: string | null | undefined): string {
  if (asked === null || asked === undefined || asked.length > LENGTH_MAX) return "/";
  // Browsers read "\" as "/", leave out tabs and line ends, and take "//host" for another host.
  if (!/^\/(?![/\\])[\x21-\x7e]*$/.test(asked) || asked.includes("\\")) return "/";
  const url = URL.parse(asked, BASE);
  // "/..//host" becomes "//host" when it is resolved.
  if (url?.origin !== BASE || url.pathname.startsWith("//")) return "/";
  return `${url.pathname}${url.search}`;
}

const LENGTH_MAX = 500;
const BASE = "http://gateway.invalid";
