import type { z } from "zod";
import { defaultProject } from "../access/index.ts";
import { nearestName } from "./nearest-name.ts";
import type { Problem } from "./problem.ts";
import { configSchema } from "./schema.ts";
import type { ConfigValues } from "./schema.ts";
import { namesAt, settingsNamed } from "./schema-node.ts";
import { isTable, pathText } from "./setting-path.ts";

/** A problem before it is known where it stands. */
export interface Finding {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly suggestion?: string;
}

/** Reads the tree by the schema: all findings, and the values when there are none. */
export function checkTree(tree: Record<string, unknown>): {
  values?: ConfigValues;
  findings: Finding[];
} {
  const first = parse(tree);
  if (first.success) return { values: first.data, findings: crossFindings(first.data) };
  // Rules across settings only run on objects without unknown names, so those are taken out for a second look.
  const second = parse(withoutUnknown(tree, first.error.issues));
  const more = second.success ? crossFindings(second.data) : findingsOf(second.error.issues, tree);
  const all = [...findingsOf(first.error.issues, tree), ...more];
  const distinct = new Map(all.map((finding) => [JSON.stringify(finding), finding]));
  return { findings: [...distinct.values()] };
}

function parse(tree: Record<string, unknown>): z.ZodSafeParseResult<ConfigValues> {
  return configSchema.safeParse(tree, { error: sentence });
}

/** What only shows when settings of several modules are seen together. */
function crossFindings(values: ConfigValues): Finding[] {
  const findings: Finding[] = [];
  if (!values.auth.required && !isLoopback(values.host)) {
    const message = `cannot be off while the gateway listens beyond this machine (host is ${values.host})`;
    findings.push({ path: ["auth", "required"], message });
  } else if (!values.auth.required && values.profile === "production") {
    findings.push({
      path: ["auth", "required"],
      message: "cannot be off in the profile production",
    });
  }
  findings.push(...unknownProjects(values));
  const { metrics } = values;
  if (metrics.enabled && metrics.port !== 0 && metrics.port === values.port) {
    const message = `must differ from port, which is ${values.port} too`;
    findings.push({ path: ["metrics", "port"], message });
  }
  const { rate_limit, cache } = values;
  if (rate_limit.store === "redis" && cache.redis_url === undefined) {
    const message = "needs the address of a Redis: set cache.redis_url or REDIS_URL";
    findings.push({ path: ["rate_limit", "store"], message });
  }
  return findings;
}

// What the file places in a project must find it there: projects that are stored come and go without the file.
function unknownProjects(values: ConfigValues): Finding[] {
  const known = [defaultProject, ...Object.keys(values.projects)];
  return (["servers", "services", "bundles"] as const).flatMap((table) =>
    Object.entries<{ project?: string | undefined } | undefined>(values[table]).flatMap(
      ([name, options]) => {
        const { project = defaultProject } = options ?? {};
        if (known.includes(project)) return [];
        const path = [table, name, "project"];
        const message = "names no project of this file; define it as [projects.<name>]";
        return [{ path, message, ...suggest(nearestName(project, known)) }];
      },
    ),
  );
}

/** True for the names and addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i.test(host);
}

type Issue = z.core.$ZodIssue;

function findingsOf(issues: readonly Issue[], tree: unknown): Finding[] {
  return issues.flatMap((issue) => findingsOfIssue(issue, tree));
}

function findingsOfIssue(issue: Issue, tree: unknown): Finding[] {
  const { path, message } = issue;
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => unknownSetting(path, key));
  }
  if (issue.code === "invalid_key") {
    return issue.issues.map((inner) => ({ path, message: inner.message }));
  }
  if (issue.code === "invalid_value") {
    const given = valueAt(tree, path);
    const suggestion =
      typeof given === "string" ? nearestName(given, issue.values.map(String)) : undefined;
    return [{ path, message, ...suggest(suggestion) }];
  }
  return [{ path, message }];
}

function unknownSetting(table: readonly PropertyKey[], key: string): Finding {
  const sibling = nearestName(key, namesAt(table));
  const elsewhere = settingsNamed(key)[0];
  const suggestion = sibling ?? (elsewhere === undefined ? undefined : pathText(elsewhere));
  return { path: [...table, key], message: "is not a setting", ...suggest(suggestion) };
}

function suggest(suggestion: string | undefined): Pick<Problem, "suggestion"> {
  return suggestion === undefined ? {} : { suggestion };
}

function valueAt(tree: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (node, segment) =>
      typeof node === "object" && node !== null ? Reflect.get(node, segment) : undefined,
    tree,
  );
}

function withoutUnknown(
  tree: Record<string, unknown>,
  issues: readonly Issue[],
): Record<string, unknown> {
  const unknown = new Set(
    issues.flatMap((issue) =>
      issue.code === "unrecognized_keys"
        ? issue.keys.map((key) => pathText([...issue.path, key]))
        : [],
    ),
  );
  const copy = (node: unknown, path: readonly string[]): unknown => {
    if (Array.isArray(node)) return node.map((item, index) => copy(item, [...path, String(index)]));
    if (!isTable(node)) return node;
    const kept = Object.entries(node).filter(([key]) => !unknown.has(pathText([...path, key])));
    return Object.fromEntries(kept.map(([key, item]) => [key, copy(item, [...path, key])]));
  };
  return Object.fromEntries(
    Object.entries(tree)
      .filter(([key]) => !unknown.has(pathText([key])))
      .map(([key, item]) => [key, copy(item, [key])]),
  );
}

// Sentences for what a schema says nothing itself about. They never show text that was given: it may be a secret.
function sentence(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === "invalid_type") {
    return `must be ${kindNames.get(issue.expected) ?? issue.expected}, not ${kindOf(issue.input)}`;
  }
  if (issue.code === "invalid_value") {
    return `must be ${either(issue.values.map((value) => JSON.stringify(value)))}`;
  }
  if (issue.code === "too_small") return bound(issue.origin, "at least", issue.minimum);
  if (issue.code === "too_big") return bound(issue.origin, "at most", issue.maximum);
  return undefined;
}

const kindNames: ReadonlyMap<string, string> = new Map([
  ["string", "text"],
  ["number", "a number"],
  ["int", "a whole number"],
  ["boolean", "true or false"],
  ["array", "a list"],
  ["object", "a table"],
  ["record", "a table"],
]);

function kindOf(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "nothing";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return "a list";
  return typeof value === "string" ? "text" : isTable(value) ? "a table" : "a date";
}

function bound(origin: string, word: string, limit: number | bigint): string {
  if (origin === "string") {
    return limit === 1n || limit === 1
      ? "must not be empty"
      : `must have ${word} ${limit} characters`;
  }
  return origin === "array" ? `must have ${word} ${limit} entries` : `must be ${word} ${limit}`;
}

function either(words: readonly string[]): string {
  return words.length < 2
    ? words.join("")
    : `${words.slice(0, -1).join(", ")} or ${words.at(-1) ?? ""}`;
}
