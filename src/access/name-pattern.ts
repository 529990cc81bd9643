/**
 * Patterns over names and URIs, `*` standing for anything. A URI can be written in many ways: what takes URIs in looks at
 * them as they are written and never takes one that climbs ("..") out; what leaves them out looks at all their usual
 * spellings.
 */

export interface NamePattern {
  readonly text: string;
  /** What stands between the stars. */
  readonly parts: readonly string[];
}

export function toPattern(text: string): NamePattern {
  return { text, parts: text.split("*") };
}

export function matchesAny(patterns: readonly NamePattern[], text: string): boolean {
  return patterns.some(({ parts }) => matches(parts, text));
}

/** Whether a pattern over public names `{server}__{name}` could match anything of the server. */
export function couldMatchServer({ text }: NamePattern, server: string): boolean {
  const prefix = `${server}__`;
  const star = text.indexOf("*");
  const fixed = star < 0 ? text : text.slice(0, star);
  return fixed.length >= prefix.length ? fixed.startsWith(prefix) : prefix.startsWith(fixed);
}

/** Whether a path segment of the URI, decoded, leads upward or stands still. */
export function climbs(uri: string): boolean {
  return dotSegment.test(decoded(uri));
}

/** The usual spellings of a URI, its own among them. */
export function spellings(uri: string): string[] {
  const plain = decoded(uri);
  return [uri, plain, URL.parse(uri)?.href ?? uri, URL.parse(plain)?.href ?? plain];
}

// The first place of each part is always as good as a later one, so there is nothing to go back for: a regular expression
// would, and could be kept busy for hours by a text of a client.
function matches(parts: readonly string[], text: string): boolean {
  const [first = "", ...others] = parts;
  const last = others.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of others) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

const dotSegment = /(?:^|[/\\])\.{1,2}(?:[/\\?#]|$)/;

function decoded(uri: string): string {
  try {
    return decodeURIComponent(uri);
  } catch {
    // Not all of it is well formed: what is, is decoded.
    return uri.replaceAll(/(?:%[0-7][0-9a-f])+/gi, (escapes) => decodeURIComponent(escapes));
  }
}
