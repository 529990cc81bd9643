import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { chosenName } from "@signalbox/kit";
import { messageOf, SignalboxError } from "../foundation/index.ts";
import { builtinServices } from "../services/index.ts";
import { nearestName } from "./nearest-name.ts";
import { fromEnvironment } from "./origin.ts";
import type { Assignment } from "./origin.ts";
import type { Problem } from "./problem.ts";
import type { SettingPath } from "./setting-path.ts";
import { pathText } from "./setting-path.ts";

type Kind = "text" | "number" | "seconds" | "boolean" | "list";

/** A variable, the setting it stands for, and how its text is read. */
interface Variable {
  readonly name: string;
  readonly path: SettingPath;
  readonly kind: Kind;
}

/** The variables that set something. Of two for one setting the later wins. */
export const variables: readonly Variable[] = [
  { name: "NODE_ENV", path: ["profile"], kind: "text" },
  { name: "SIGNALBOX_PROFILE", path: ["profile"], kind: "text" },
  { name: "SIGNALBOX_HOME", path: ["home"], kind: "text" },
  { name: "SIGNALBOX_ROLE", path: ["role"], kind: "text" },
  { name: "HOST", path: ["host"], kind: "text" },
  { name: "PORT", path: ["port"], kind: "number" },
  { name: "ALLOWED_HOSTS", path: ["allowed_hosts"], kind: "list" },
  { name: "PUBLIC_URL", path: ["public_url"], kind: "text" },
  { name: "ALLOWED_ORIGINS", path: ["allowed_origins"], kind: "list" },
  { name: "ENABLE_METRICS", path: ["metrics", "enabled"], kind: "boolean" },
  { name: "METRICS_PORT", path: ["metrics", "port"], kind: "number" },
  { name: "METRICS_HOST", path: ["metrics", "host"], kind: "text" },
  { name: "LOG_LEVEL", path: ["log", "level"], kind: "text" },
  { name: "LOG_FORMAT", path: ["log", "format"], kind: "text" },
  { name: "DATABASE_URL", path: ["database", "url"], kind: "text" },
  { name: "DB_POOL_MIN", path: ["database", "pool_min"], kind: "number" },
  { name: "DB_POOL_MAX", path: ["database", "pool_max"], kind: "number" },
  { name: "DB_IDLE_TIMEOUT_MS", path: ["database", "idle_timeout"], kind: "number" },
  { name: "DB_QUERY_TIMEOUT_MS", path: ["database", "query_timeout"], kind: "number" },
  { name: "DEFAULT_TIMEOUT_MS", path: ["limits", "call_timeout"], kind: "number" },
  { name: "RATE_LIMIT_WINDOW_MS", path: ["rate_limit", "window"], kind: "number" },
  { name: "RATE_LIMIT_MAX_REQUESTS", path: ["rate_limit", "max"], kind: "number" },
  { name: "REDIS_URL", path: ["cache", "redis_url"], kind: "text" },
  { name: "CACHE_TTL", path: ["cache", "ttl"], kind: "seconds" },
  { name: "SIGNALBOX_ADMIN_KEY", path: ["auth", "admin_key"], kind: "text" },
  { name: "MCP_ENCRYPTION_KEY", path: ["secrets", "encryption_key"], kind: "text" },
  {
    name: "MCP_ENCRYPTION_KEY_PREVIOUS",
    path: ["secrets", "previous_encryption_keys"],
    kind: "list",
  },
  { name: "AUTH_LOOPBACK_BYPASS", path: ["auth", "loopback_bypass"], kind: "boolean" },
  { name: "AUTH_TRUSTED_NETWORKS", path: ["auth", "trusted_networks"], kind: "list" },
  { name: "JWT_SECRET", path: ["auth", "jwt", "secret"], kind: "text" },
  { name: "JWT_EXPIRES_IN", path: ["auth", "jwt", "expires_in"], kind: "text" },
];

/** Variables of ours that are read elsewhere: by this module's own start, and by the command line. */
const otherNames = ["SIGNALBOX_CONFIG", "SIGNALBOX_KEY", "SIGNALBOX_URL", "SIGNALBOX_HOLDERS"];

/** The environment with what a `.env` file adds; real variables win over the file. */
export interface Environment {
  get(name: string): string | undefined;
  names(): Iterable<string>;
  /** `.env` for a variable that only stands there. */
  fileOf(name: string): string | undefined;
}

/** Reads `.env` in the folder, if there is one. Empty variables count as not set. */
export function readEnvironment(env: NodeJS.ProcessEnv, cwd: string): Environment {
  const path = join(cwd, ".env");
  const fromFile = existsSync(path) ? parseEnv(readDotEnv(path)) : {};
  const get = (name: string): string | undefined => {
    const own = env[name];
    return presence(own === undefined ? fromFile[name] : own);
  };
  return {
    get,
    names: () => new Set([...Object.keys(fromFile), ...Object.keys(env)]),
    fileOf: (name) => (env[name] === undefined && name in fromFile ? ".env" : undefined),
  };
}

function readDotEnv(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new SignalboxError("CONFIG_UNREADABLE", `Cannot read ${path}: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** What the environment sets, with the values that do not read as their kind as problems. */
export function environmentLayer(environment: Environment): {
  assignments: Assignment[];
  problems: Problem[];
} {
  const assignments: Assignment[] = [];
  const problems: Problem[] = [];
  for (const { name, path, kind } of [...variables, ...serviceVariables(environment)]) {
    const text = environment.get(name);
    if (text === undefined) continue;
    const origin = fromEnvironment(name, environment.fileOf(name));
    const read = readers[kind](text);
    if (read === undefined) {
      problems.push({
        ...origin.place,
        path: pathText(path),
        message: expected[kind](text),
      });
    } else {
      assignments.push({ path, value: read, origin });
    }
  }
  return { assignments, problems };
}

// What a service is set by; of some a part of the name is chosen, such as a database's.
function serviceVariables(environment: Environment): Variable[] {
  const names = [...environment.names()];
  return builtinServices.flatMap(({ name: service, settings }) =>
    settings.env.flatMap((setting) =>
      names.flatMap((name) => {
        const chosen = chosenName(setting, name);
        if (chosen === undefined) return [];
        const { path, kind = "text" } = setting;
        const at = typeof path === "function" ? path(chosen) : path;
        return [{ name, path: ["services", service, ...at], kind }];
      }),
    ),
  );
}

/** A sentence for every variable that looks like one of ours and is none. */
export function unknownVariables(environment: Environment): string[] {
  const known = [...variables.map(({ name }) => name), ...otherNames];
  const ours = known.filter((name) => name.startsWith("SIGNALBOX_"));
  return [...environment.names()]
    .filter((name) => name.startsWith("SIGNALBOX_") && !known.includes(name))
    .map((name) => {
      const nearest = nearestName(name, ours);
      const hint = nearest === undefined ? "" : ` (did you mean ${nearest}?)`;
      return `The environment variable ${name} is not known and has no effect${hint}`;
    });
}

function presence(text: string | undefined): string | undefined {
  return text === undefined || text.trim() === "" ? undefined : text;
}

const truths: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["1", true],
  ["yes", true],
  ["on", true],
  ["false", false],
  ["0", false],
  ["no", false],
  ["off", false],
]);

const readers: Record<Kind, (text: string) => unknown> = {
  text: (text) => text.trim(),
  number: (text) => (/^\s*-?\d{1,15}\s*$/.test(text) ? Number(text) : undefined),
  seconds: (text) => (/^\s*\d{1,12}\s*$/.test(text) ? Number(text) * 1000 : undefined),
  boolean: (text) => truths.get(text.trim().toLowerCase()),
  list: (text) =>
    text
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== ""),
};

const expected: Record<Kind, (text: string) => string> = {
  text: () => "must be text",
  number: (text) => `must be a whole number, not ${shown(text)}`,
  seconds: (text) => `must be a whole number of seconds, not ${shown(text)}`,
  boolean: (text) => `must be true or false, not ${shown(text)}`,
  list: () => "must be a list with commas",
};

function shown(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 39)}…` : text);
}
