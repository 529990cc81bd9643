import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { checkTree, isLoopback } from "./check.ts";
import type { Finding } from "./check.ts";
import { readCommandLine } from "./command-line.ts";
import { readConfigFile } from "./config-file.ts";
import type { ConfigFile } from "./config-file.ts";
import { environmentLayer, readEnvironment, unknownVariables } from "./environment.ts";
import { fromFile, fromProfile } from "./origin.ts";
import type { Assignment, Origin } from "./origin.ts";
import { configInvalid } from "./problem.ts";
import type { Problem } from "./problem.ts";
import { profileNames, profileSettings } from "./profiles.ts";
import type { ProfileName } from "./profiles.ts";
import type { OwnSources } from "./own-secrets.ts";
import type { ConfigValues } from "./schema.ts";
import { isTable, longestPrefix, pathText } from "./setting-path.ts";

/** The configuration as it applies. */
export interface Config {
  readonly values: ConfigValues;
  /** By setting (`limits.call_timeout`): `cli`, `env:PORT`, `file:signalbox.toml:3`, `profile:test` or `default`. */
  readonly origins: ReadonlyMap<string, string>;
  /** What deserves attention but stops nothing. */
  readonly warnings: readonly string[];
  /** The file that was read or would be, absolute; for `watchConfigFile`. */
  readonly file: string;
  /** What the file has in place of a value, by setting: `${env:TOKEN}`. */
  readonly references: ReadonlyMap<string, string>;
  /** Variables and files from which the file has secrets of the gateway itself. */
  readonly ownSources: OwnSources;
}

/**
 * Reads the configuration: command line over environment over file over profile over defaults.
 * Throws CONFIG_INVALID with every problem at once, or CONFIG_UNREADABLE. `terminal` tells whether standard output is one.
 */
export function loadConfig(options: {
  argv: readonly string[];
  env: NodeJS.ProcessEnv;
  cwd: string;
  terminal?: boolean;
}): Config {
  const commandLine = readCommandLine(options.argv);
  const environment = readEnvironment(options.env, options.cwd);
  const named = commandLine.configPath ?? environment.get("SIGNALBOX_CONFIG");
  const file = readConfigFile({
    path: named ?? "signalbox.toml",
    explicit: named !== undefined,
    cwd: options.cwd,
    environment,
  });
  const fromEnvironment = environmentLayer(environment);
  const set = new Layers([
    ...file.assignments,
    ...fromEnvironment.assignments,
    ...commandLine.assignments,
  ]);
  const terminal = options.terminal ?? process.stdout.isTTY;
  const layers = set.over(profileLayer(set.get("profile"), terminal));

  const { values, findings } = checkTree(layers.tree());
  const problems = [
    ...commandLine.problems,
    ...fromEnvironment.problems,
    ...file.problems,
    ...findings.map((finding) => located(finding, layers, file)),
  ];
  if (values === undefined || problems.length > 0) throw configInvalid(inOrder(problems));
  return {
    values: { ...values, home: absoluteHome(values.home, options.cwd) },
    origins: originsOf(values, layers),
    warnings: [...unknownVariables(environment), ...warningsOf(values)],
    file: file.path,
    references: file.references,
    ownSources: file.ownSources,
  };
}

/** Assignments by setting, later ones over earlier ones. */
class Layers {
  readonly #assignments = new Map<string, Assignment>();

  constructor(assignments: readonly Assignment[]) {
    for (const assignment of assignments) this.#put(assignment);
  }

  over(lower: readonly Assignment[]): Layers {
    return new Layers([...lower, ...this.#assignments.values()]);
  }

  get(path: string): unknown {
    return this.#assignments.get(path)?.value;
  }

  origin(path: string): Origin | undefined {
    return this.#assignments.get(path)?.origin;
  }

  tree(): Record<string, unknown> {
    const root = emptyTable();
    for (const { path, value } of this.#assignments.values()) place(root, path, value);
    return root;
  }

  // Deleted first, so that the order of the map is the order of assignment.
  #put(assignment: Assignment): void {
    const text = pathText(assignment.path);
    this.#assignments.delete(text);
    this.#assignments.set(text, assignment);
  }
}

// Without a prototype, so that a setting called __proto__ is a wrong name like any other.
function emptyTable(): Record<string, unknown> {
  const table: Record<string, unknown> = Object.create(null);
  return table;
}

function place(root: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let table = root;
  for (const name of path.slice(0, -1)) {
    const inner = table[name] ?? emptyTable();
    // A value stands where a table belongs: it is kept, for the schema to say so.
    if (!isTable(inner)) return;
    table[name] = inner;
    table = inner;
  }
  const last = path.at(-1);
  if (last !== undefined) table[last] = value;
}

function profileLayer(wanted: unknown, terminal: boolean): Assignment[] {
  const name = profileNames.find((candidate) => candidate === (wanted ?? "development"));
  return name === undefined
    ? []
    : [
        ...profileAssignments(
          profileSettings(name, { terminal, chosen: wanted !== undefined }),
          [],
          name,
        ),
      ];
}

function* profileAssignments(
  settings: Record<string, unknown>,
  above: readonly string[],
  name: ProfileName,
): Iterable<Assignment> {
  for (const [key, value] of Object.entries(settings)) {
    const path = [...above, key];
    if (isTable(value)) yield* profileAssignments(value, path, name);
    else yield { path, value, origin: fromProfile(name) };
  }
}

/** Says where the finding stands: at the value that applies, or where the file has the table around it. */
function located(finding: Finding, layers: Layers, file: ConfigFile): Problem {
  const { path, ...rest } = finding;
  const assigned = longestPrefix(path, (prefix) => layers.origin(prefix));
  const line = file.lineOf(path);
  const inFile = assigned === undefined || assigned.found.kind === "file";
  const origin = inFile && line !== undefined ? fromFile(file.name, line) : assigned?.found;
  return { ...origin?.place, path: pathText(path), ...rest };
}

// By file and line, what has none first: the reader goes through the file once.
function inOrder(problems: readonly Problem[]): Problem[] {
  return problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0));
}

function absoluteHome(home: string, cwd: string): string {
  return home.startsWith("~/") ? join(homedir(), home.slice(2)) : resolve(cwd, home);
}

function originsOf(values: ConfigValues, layers: Layers): Map<string, string> {
  const origins = new Map<string, string>();
  for (const path of settingPaths(values, [])) {
    const assigned = longestPrefix(path, (prefix) => layers.origin(prefix));
    origins.set(pathText(path), assigned?.found.text ?? "default");
  }
  return origins;
}

function* settingPaths(
  table: Record<string, unknown>,
  above: readonly string[],
): Iterable<string[]> {
  for (const [name, value] of Object.entries(table)) {
    const path = [...above, name];
    if (isTable(value)) yield* settingPaths(value, path);
    else if (value !== undefined) yield path;
  }
}

function warningsOf(values: ConfigValues): string[] {
  const warnings: string[] = [];
  if (values.metrics.enabled && !isLoopback(values.metrics.host)) {
    warnings.push(
      `The metrics on ${values.metrics.host}:${values.metrics.port} are readable without a key by everyone who reaches that address`,
    );
  }
  return warnings;
}
