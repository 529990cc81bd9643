import { readFileSync, statSync } from "node:fs";
import { relative, resolve, sep } from "node:path";
import { parse, TomlError } from "smol-toml";
import { messageOf, readSecretFile, SignalboxError } from "../foundation/index.ts";
import { referenceProblem, referencesIn, replaceReferences } from "../gateway/index.ts";
import type { Reference } from "../gateway/index.ts";
import { isSecretSchema } from "@signalbox/kit";
import type { Environment } from "./environment.ts";
import { fromFile } from "./origin.ts";
import type { Assignment } from "./origin.ts";
import { ownSourcesOf, type OwnSources } from "./own-secrets.ts";
import type { Problem } from "./problem.ts";
import type { SettingPath } from "./setting-path.ts";
import { schemaAt } from "./schema-node.ts";
import { isTable, longestPrefix, pathText } from "./setting-path.ts";
import { linesOfKeys } from "./toml-lines.ts";

const FILE_BYTES_MAX = 4 * 1024 * 1024;

/** What a configuration file sets. */
export interface ConfigFile {
  /** Absolute, whether or not the file exists. */
  readonly path: string;
  /** As messages call it: relative to the working directory where it lies in there. */
  readonly name: string;
  readonly assignments: readonly Assignment[];
  readonly problems: readonly Problem[];
  /** The line of the setting, or of the innermost table around it that is written down. */
  lineOf(path: readonly PropertyKey[]): number | undefined;
  /** What was written in place of a value: `${env:TOKEN}`, by path. */
  readonly references: ReadonlyMap<string, string>;
  /** Where the secrets in it are. */
  readonly ownSources: OwnSources;
}

/** Reads the file; one that was not named explicitly may be missing. Throws CONFIG_UNREADABLE. */
export function readConfigFile(options: {
  path: string;
  explicit: boolean;
  cwd: string;
  environment: Environment;
}): ConfigFile {
  const path = resolve(options.cwd, options.path);
  const text = readText(path, options.explicit);
  const file = shortName(path, options.cwd);
  const problems: Problem[] = [];
  const tree = text === undefined ? {} : parseText(text, file, problems);
  const lines =
    text === undefined || problems.length > 0 ? new Map<string, number>() : linesOfKeys(text);
  const lineOf = (at: readonly PropertyKey[]): number | undefined =>
    longestPrefix(at, (prefix) => lines.get(prefix))?.found;
  const references = new Map<string, string>();
  const referring: [SettingPath, string][] = [];
  const assignments = [...leaves(tree, [])].map(([at, value]): Assignment => {
    const origin = fromFile(file, lineOf(at));
    // Those of servers are put in place when the server is opened; their schema looks at them.
    if (at[0] === "servers" || at[0] === "bundles") return { path: at, value, origin };
    const filler = new ReferenceFiller({ environment: options.environment, file, lineOf });
    const filled = filler.fill(value, at);
    problems.push(...filler.problems);
    for (const [where, written] of filler.references) {
      references.set(pathText(where), written);
      referring.push([where, written]);
    }
    return { path: at, value: filled, origin };
  });
  return {
    path,
    name: file,
    assignments,
    problems,
    lineOf,
    references,
    ownSources: ownSourcesOf(referring),
  };
}

function readText(path: string, explicit: boolean): string | undefined {
  try {
    const { size } = statSync(path);
    if (size > FILE_BYTES_MAX) throw new Error(`it is larger than ${FILE_BYTES_MAX} bytes`);
    return readFileSync(path, "utf8").replace(/^\uFEFF/, "");
  } catch (error) {
    const missing = error instanceof Error && Reflect.get(error, "code") === "ENOENT";
    if (missing && !explicit) return undefined;
    const reason = missing ? "it does not exist" : messageOf(error);
    throw new SignalboxError("CONFIG_UNREADABLE", `Cannot read ${path}: ${reason}`, {
      cause: error,
    });
  }
}

function parseText(text: string, file: string, problems: Problem[]): Record<string, unknown> {
  try {
    return parse(text);
  } catch (error) {
    // The parser's message goes on with a drawing of the line; its first line says it all.
    const [message = ""] = messageOfToml(error).split("\n");
    const line = error instanceof TomlError ? { line: error.line } : {};
    problems.push({ file, ...line, path: "", message: `is not valid TOML: ${message}` });
    return {};
  }
}

function messageOfToml(error: unknown): string {
  const message = error instanceof Error ? error.message : messageOf(error);
  return message.replace(/^Invalid TOML document:\s*/, "");
}

function* leaves(
  table: Record<string, unknown>,
  above: SettingPath,
): Iterable<[path: SettingPath, value: unknown]> {
  for (const [name, value] of Object.entries(table)) {
    const path = [...above, name];
    if (isTable(value) && Object.keys(value).length > 0) yield* leaves(value, path);
    else yield [path, value];
  }
}

function shortName(path: string, cwd: string): string {
  const short = relative(cwd, path);
  return short === "" || short === ".." || short.startsWith(`..${sep}`) ? path : short;
}

function isServiceSecret(path: SettingPath): boolean {
  const schema = path[0] === "services" ? schemaAt(path) : undefined;
  return schema !== undefined && isSecretSchema(schema);
}

/** Puts the environment's values and the content of files in place of `${env:NAME}` and `${file:/path}`; `$${` is `${`. */
class ReferenceFiller {
  readonly problems: Problem[] = [];
  readonly references: [SettingPath, string][] = [];
  readonly #context: {
    environment: Environment;
    file: string;
    lineOf(path: SettingPath): number | undefined;
  };

  constructor(context: {
    environment: Environment;
    file: string;
    lineOf(path: SettingPath): number | undefined;
  }) {
    this.#context = context;
  }

  fill(value: unknown, path: SettingPath): unknown {
    if (typeof value === "string") return this.#fillText(value, path);
    if (Array.isArray(value)) {
      return value.map((item: unknown, index) => this.fill(item, [...path, String(index)]));
    }
    if (!isTable(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [name, this.fill(item, [...path, name])]),
    );
  }

  #fillText(text: string, path: SettingPath): string {
    const problem = referenceProblem(text, "setting");
    if (problem !== undefined) this.#problem(path, problem);
    // The vault opens later than this: a service is given its secrets when it is opened.
    else if (isServiceSecret(path) && referencesIn(text).some(({ kind }) => kind === "secret"))
      return text;
    const filled = replaceReferences(
      text,
      (reference) => this.#resolve(reference, path) ?? reference.text,
    );
    if (filled !== text) this.references.push([path, text]);
    return filled;
  }

  #resolve({ kind, name }: Reference, path: SettingPath): string | undefined {
    if (kind === "secret") {
      const why =
        "the vault's secrets are for servers and the secrets of services: use ${env:NAME} or ${file:/path}";
      this.#problem(path, `\${secret:...} cannot stand here; ${why}`);
      return undefined;
    }
    if (kind === "file") {
      const file = readSecretFile(name);
      if ("text" in file) return file.text;
      this.#problem(path, `needs the file ${name}, which ${file.problem}`);
      return undefined;
    }
    const value = this.#context.environment.get(name);
    if (value === undefined) {
      this.#problem(path, `needs the environment variable ${name}, which is not set`);
    }
    return value;
  }

  #problem(path: SettingPath, message: string): void {
    const { file } = this.#context;
    const line = this.#context.lineOf(path);
    this.problems.push({
      file,
      ...(line === undefined ? {} : { line }),
      path: pathText(path),
      message,
    });
  }
}
