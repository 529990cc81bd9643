import { isSecretSchema } from "@signalbox/kit";
import { formatDuration, isDuration, isSecretName, redactText } from "../foundation/index.ts";
import { openlyReferring } from "../gateway/index.ts";
import type { Config } from "./load.ts";
import { schemaAt } from "./schema-node.ts";
import { isTable, pathText } from "./setting-path.ts";

const MASK = "***";

/**
 * The configuration as TOML, a line per setting in the order of the schema, secrets masked; with `# origin` behind each when asked.
 * A value that the file takes from the environment is shown as the reference that stands there.
 */
export function printConfig(config: Config, options: { withOrigin?: boolean } = {}): string {
  const lines: string[] = [];
  for (const [path, value] of settings(config.values, [])) {
    const line = `${pathText(path)} = ${shown(path, value, config)}`;
    const origin = config.origins.get(pathText(path)) ?? "default";
    lines.push(options.withOrigin === true ? `${line}  # ${origin}` : line);
  }
  return `${lines.join("\n")}\n`;
}

function* settings(
  table: Record<string, unknown>,
  above: readonly string[],
): Iterable<[string[], unknown]> {
  for (const [name, value] of Object.entries(table)) {
    const path = [...above, name];
    if (isTable(value)) yield* settings(value, path);
    else if (value !== undefined) yield [path, value];
  }
}

function shown(path: readonly string[], value: unknown, config: Config): string {
  const written = config.references.get(pathText(path)) ?? value;
  if (typeof written === "string" && openlyReferring(written) !== undefined)
    return JSON.stringify(written);
  if (typeof value === "number" && isDurationAt(path)) return JSON.stringify(formatDuration(value));
  if (Array.isArray(value)) return `[${itemsShown(path, value, config).join(", ")}]`;
  if (isTable(value)) return tableShown(path, value, config);
  if (typeof value !== "string") return String(value);
  return JSON.stringify(isSecret(path) ? MASK : redactText(String(written)));
}

function isDurationAt(path: readonly string[]): boolean {
  const schema = schemaAt(path);
  return schema !== undefined && isDuration(schema);
}

// `["--token", "abc"]`: the word before tells that this one is a secret.
function itemsShown(path: readonly string[], items: readonly unknown[], config: Config): string[] {
  return items.map((item, index) => {
    const before: unknown = items[index - 1];
    const at = [...path, String(index)];
    const secret = typeof before === "string" && before.startsWith("-") && isSecretName(before);
    const open = !secret || openlyReferring(String(item)) !== undefined;
    return open ? shown(at, item, config) : JSON.stringify(MASK);
  });
}

function tableShown(
  path: readonly string[],
  table: Record<string, unknown>,
  config: Config,
): string {
  const entries = Object.entries(table)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${pathText([name])} = ${shown([...path, name], value, config)}`);
  return entries.length === 0 ? "{}" : `{ ${entries.join(", ")} }`;
}

// What a server gets as environment or headers is as a rule a credential, whatever its name.
function isSecret(path: readonly string[]): boolean {
  // An entry of a list is as secret as the list.
  const name = path.findLast((segment) => !/^\d+$/.test(segment)) ?? "";
  if (path[0] === "services") {
    const schema = schemaAt(path);
    return isSecretName(name) || (schema !== undefined && isSecretSchema(schema));
  }
  if (path[0] !== "servers") return isSecretName(name);
  return path.at(-2) === "env" || path.at(-2) === "headers" || isSecretName(name);
}
