import { decodeHeaderValue, encodeHeaderValue } from "./header-values.ts";
import { isJsonObject, type JsonObject } from "./json.ts";

/**
 * `x-mcp-header` (2026-07-28, tools and streamable HTTP, "Custom headers"): a tool's input schema names arguments that
 * are mirrored into `Mcp-Param-{Name}` headers. Here a schema is compiled once into the list of such arguments.
 */
export interface ParamHeader {
  /** Lower-case header name, `mcp-param-…`. */
  readonly header: string;
  /** Where the argument lies below `arguments`. */
  readonly path: readonly string[];
}

export type ParamHeadersOutcome =
  | { readonly ok: true; readonly headers: readonly ParamHeader[] }
  | { readonly ok: false; readonly reason: string };

const NONE: ParamHeadersOutcome = { ok: true, headers: [] };
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const MIRRORED_TYPES = new Set(["string", "integer", "boolean", "number"]);
const DEPTH_MAX = 16;

/** Reads the mirrored arguments of an input schema; a schema that breaks the rules names the first one it breaks. */
export function compileParamHeaders(inputSchema: unknown): ParamHeadersOutcome {
  if (!isJsonObject(inputSchema)) return NONE;
  const found: ParamHeader[] = [];
  const problem = walk(inputSchema, [], found, true);
  if (problem !== undefined) return { ok: false, reason: problem };
  return found.length === 0 ? NONE : { ok: true, headers: found };
}

/** The header values for a call's arguments, encoded; absent and null arguments have none. */
export function paramHeaderValues(
  headers: readonly ParamHeader[],
  args: unknown,
): Record<string, string> {
  const values: Record<string, string> = {};
  for (const { header, path } of headers) {
    const value = valueAt(args, path);
    if (value !== undefined && value !== null) values[header] = encodeHeaderValue(textOf(value));
  }
  return values;
}

/** The first disagreement between a call's headers and its arguments, as a sentence; undefined when they agree. */
export function paramHeaderMismatch(
  headers: readonly ParamHeader[],
  args: unknown,
  received: Readonly<Record<string, string | readonly string[] | undefined>>,
): string | undefined {
  for (const { header, path } of headers) {
    const value = valueAt(args, path);
    const sent = received[header];
    if (value === undefined || value === null) {
      if (sent !== undefined) return `${header} is sent but the argument is absent`;
    } else if (typeof sent !== "string") {
      return `${header} is missing`;
    } else if (!sameValue(decodeHeaderValue(sent), value)) {
      return `${header} does not equal the argument ${path.join(".")}`;
    }
  }
  return undefined;
}

function walk(
  schema: JsonObject,
  path: readonly string[],
  found: ParamHeader[],
  reachable: boolean,
): string | undefined {
  if (path.length > DEPTH_MAX) return undefined;
  if ("x-mcp-header" in schema) {
    const problem = reachable
      ? add(schema, path, found)
      : `x-mcp-header at ${path.join(".")} is not reachable through properties only`;
    if (problem !== undefined) return problem;
  }
  for (const [keyword, value] of Object.entries(schema)) {
    const children = childSchemas(keyword, value);
    for (const [name, child] of children) {
      const problem = walk(child, [...path, name], found, reachable && keyword === "properties");
      if (problem !== undefined) return problem;
    }
  }
  return undefined;
}

function* childSchemas(keyword: string, value: unknown): Generator<[string, JsonObject]> {
  if (keyword === "properties" || keyword === "patternProperties" || keyword === "$defs") {
    if (!isJsonObject(value)) return;
    for (const [name, child] of Object.entries(value)) if (isJsonObject(child)) yield [name, child];
  } else if (Array.isArray(value)) {
    if (keyword === "enum" || keyword === "examples" || keyword === "required") return;
    for (const child of value) if (isJsonObject(child)) yield [keyword, child];
  } else if (isJsonObject(value) && keyword !== "default" && keyword !== "const") {
    yield [keyword, value];
  }
}

function add(
  schema: JsonObject,
  path: readonly string[],
  found: ParamHeader[],
): string | undefined {
  const name = schema["x-mcp-header"];
  const at = path.join(".");
  if (typeof name !== "string" || name === "") return `x-mcp-header at ${at} is not a name`;
  if (!TOKEN.test(name)) return `x-mcp-header "${name}" at ${at} is not an RFC 9110 token`;
  if (path.length === 0) return "x-mcp-header stands on the schema itself, not on a property";
  const type = schema["type"];
  if (typeof type !== "string" || !MIRRORED_TYPES.has(type)) {
    return `x-mcp-header at ${at} is on a type that has no header form`;
  }
  const header = `mcp-param-${name.toLowerCase()}`;
  if (found.some((other) => other.header === header)) return `x-mcp-header "${name}" stands twice`;
  found.push({ header, path });
  return undefined;
}

function valueAt(args: unknown, path: readonly string[]): unknown {
  let value = args;
  for (const key of path) {
    if (!isJsonObject(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function sameValue(header: string, value: unknown): boolean {
  const text = textOf(value);
  if (header === text) return true;
  return typeof value === "number" && header !== "" && Number(header) === value;
}
