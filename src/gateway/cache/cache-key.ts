/**
 * What makes two requests the same: server, method, name or URI, arguments, the form in which the answer is written, and,
 * unless answers are shared by all, who asks.
 */
import { hash } from "node:crypto";
import { isJsonObject, stringify } from "../../protocol/index.ts";

export interface CacheKey {
  readonly server: string;
  readonly method: string;
  /** The tool's name or the resource's URI as the server writes it. */
  readonly name: string;
  /** Whether all principals share the answer. */
  readonly shared: boolean;
  /** `server|method|name|` for people, then a hash of everything. */
  readonly text: string;
}

export interface CacheKeyParts {
  readonly server: string;
  readonly method: string;
  readonly name: string;
  /** The request's `arguments`. */
  readonly arguments?: unknown;
  /** Who asks; left out where all share one answer. */
  readonly principalId?: string | undefined;
  /** All else on which the answer's bytes depend: the era of the answer, and whether URIs in it carry their server. */
  readonly form: string;
}

export function cacheKey(parts: CacheKeyParts): CacheKey {
  const { server, method, name, principalId, form } = parts;
  // The list is JSON, so that no part can pass for another; the arguments come last and need no end.
  const identity = stringify([server, method, name, principalId ?? null, form]);
  const digest = hash("sha256", identity + canonicalJson(parts.arguments), "base64url");
  const shown = name.length > NAME_SHOWN_MAX ? name.slice(0, NAME_SHOWN_MAX) : name;
  return {
    server,
    method,
    name,
    shared: principalId === undefined,
    text: `${server}|${method}|${shown}|${digest}`,
  };
}

/** JSON in which the members of every object are sorted by name; numbers stay as `parseJson` kept them; undefined is "". */
export function canonicalJson(value: unknown): string {
  if (value === undefined) return "";
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item)).join(",")}]`;
  if (!isJsonObject(value)) return stringify(value);
  let text = "";
  for (const name of Object.keys(value).toSorted()) {
    const member = value[name];
    if (member === undefined) continue;
    text += `${text === "" ? "" : ","}${stringify(name)}:${canonicalJson(member)}`;
  }
  return `{${text}}`;
}

/** URIs can be long, and keys are held a thousandfold. */
const NAME_SHOWN_MAX = 128;
