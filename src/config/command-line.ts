import { isSecretName } from "../foundation/index.ts";
import { parse } from "smol-toml";
import { nearestName } from "./nearest-name.ts";
import { fromCommandLine } from "./origin.ts";
import type { Assignment } from "./origin.ts";
import type { Problem } from "./problem.ts";
import type { SettingPath } from "./setting-path.ts";
import { isTable, pathText } from "./setting-path.ts";

const flags: ReadonlyMap<string, SettingPath> = new Map([
  ["--profile", ["profile"]],
  ["--home", ["home"]],
  ["--role", ["role"]],
  ["--host", ["host"]],
  ["--port", ["port"]],
  ["--log-level", ["log", "level"]],
  ["--log-format", ["log", "format"]],
]);
const otherFlags = ["--config", "--set"];

/** What the command line sets, and the file it names. */
export interface CommandLine {
  readonly assignments: readonly Assignment[];
  readonly problems: readonly Problem[];
  readonly configPath: string | undefined;
}

/** Reads `--port 8200`, `--port=8200`, `--config path` and `--set a.b=c`. */
export function readCommandLine(argv: readonly string[]): CommandLine {
  const assignments: Assignment[] = [];
  const problems: Problem[] = [];
  let configPath: string | undefined;
  for (const { flag, value } of pairs(argv)) {
    const path = flags.get(flag);
    if (path === undefined && !otherFlags.includes(flag)) {
      problems.push(unknownFlag(flag));
    } else if (value === undefined) {
      problems.push({ source: flag, path: "", message: "needs a value" });
    } else if (flag === "--config") {
      configPath = value;
    } else if (path === undefined) {
      const outcome = readSet(value);
      if ("message" in outcome) problems.push(outcome);
      else assignments.push(outcome);
    } else {
      assignments.push({ path, value: numeric(value), origin: fromCommandLine(flag) });
    }
  }
  return { assignments, problems, configPath };
}

function* pairs(argv: readonly string[]): Iterable<{ flag: string; value: string | undefined }> {
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? "";
    const equals = word.indexOf("=");
    if (!word.startsWith("--")) {
      yield { flag: word, value: undefined };
    } else if (equals > 0) {
      yield { flag: word.slice(0, equals), value: word.slice(equals + 1) };
    } else {
      const next = argv[index + 1];
      const has = next !== undefined && !next.startsWith("--");
      if (has) index++;
      yield { flag: word, value: has ? next : undefined };
    }
  }
}

function unknownFlag(flag: string): Problem {
  const suggestion = nearestName(flag, [...flags.keys(), ...otherFlags]);
  const message = flag.startsWith("--")
    ? "is not an option of this command"
    : "is not expected here";
  return { source: flag, path: "", message, ...(suggestion === undefined ? {} : { suggestion }) };
}

function numeric(text: string): string | number {
  return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
}

/** `--set limits.call_timeout=10s`: the value as TOML where it reads so, else as text. */
function readSet(text: string): Assignment | Problem {
  const equals = text.indexOf("=");
  const path = equals > 0 ? keyPath(text.slice(0, equals)) : undefined;
  if (path === undefined) {
    const message = 'must look like "limits.call_timeout=10s"';
    return { source: "--set", path: "", message };
  }
  // Other users of the machine can read a process's arguments.
  if (isSecretName(path.at(-1) ?? "") || pathText(path) === "database.url") {
    const message =
      "is a secret and must not stand on the command line; use the environment or the file";
    return { source: "--set", path: pathText(path), message };
  }
  const value = tomlValue(text.slice(equals + 1));
  return { path, value, origin: fromCommandLine(`--set ${pathText(path)}`) };
}

function keyPath(key: string): string[] | undefined {
  const path: string[] = [];
  let rest: unknown = tomlOf(`${key} = 0`);
  while (isTable(rest)) {
    const [name, ...others] = Object.keys(rest);
    if (name === undefined || others.length > 0) return undefined;
    path.push(name);
    rest = rest[name];
  }
  return path.length === 0 ? undefined : path;
}

function tomlValue(text: string): unknown {
  const table = tomlOf(`value = ${text}`);
  return isTable(table) && Object.keys(table).length === 1 ? table["value"] : text;
}

function tomlOf(text: string): unknown {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}
