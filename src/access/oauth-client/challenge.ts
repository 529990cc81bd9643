/** What a server's `WWW-Authenticate` says of the tokens it wants (RFC 6750, RFC 9728). */
export interface BearerChallenge {
  readonly error?: string;
  readonly scopes: readonly string[];
  /** Where its protected-resource metadata is; the server's word, not yet judged. */
  readonly resourceMetadata?: string;
}

/** The Bearer challenge among those of a header; undefined where there is none. */
export function bearerChallenge(header: string | undefined): BearerChallenge | undefined {
  if (header === undefined || header.length > HEADER_LENGTH_MAX) return undefined;
  const params = bearerParams(header);
  if (params === undefined) return undefined;
  const error = params.get("error");
  const resourceMetadata = params.get("resource_metadata");
  return {
    scopes: scopesOf(params.get("scope")),
    ...(error !== undefined && { error }),
    ...(resourceMetadata !== undefined && { resourceMetadata }),
  };
}

/** The scopes of a `scope` value, each once; what cannot be one is left out. */
export function scopesOf(text: string | undefined): string[] {
  const scopes = (text ?? "").split(" ").filter((scope) => scopeShape.test(scope));
  return [...new Set(scopes)].slice(0, SCOPES_MAX);
}

const scopeShape = /^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/;
const SCOPES_MAX = 100;
const HEADER_LENGTH_MAX = 8192;

// A header may hold several challenges, whose parameters are separated by the same commas. A name without "=" begins one.
function bearerParams(header: string): Map<string, string> | undefined {
  let bearer: Map<string, string> | undefined;
  let current: Map<string, string> | undefined;
  part.lastIndex = 0;
  for (let found = part.exec(header); found !== null; found = part.exec(header)) {
    const [, name = "", quoted, plain] = found;
    const value = quoted?.replaceAll(/\\(.)/g, "$1") ?? plain;
    if (value === undefined) {
      current = new Map();
      if (name.toLowerCase() === "bearer") bearer ??= current;
    } else if (current !== undefined && !current.has(name.toLowerCase())) {
      current.set(name.toLowerCase(), value);
    }
  }
  return bearer;
}

const part = /[\s,]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?/y;
