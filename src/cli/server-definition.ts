import { resolve } from "node:path";
import { duration } from "../foundation/index.ts";
import type { CliIo } from "./cli-io.ts";
import { usageError } from "./exit-code.ts";
import { presetDefinition, presetNamed, presets, type PresetHints } from "./presets.ts";

/** The fields of a server as the API takes them. */
export interface ServerOptionsSent {
  command?: string;
  args?: string[];
  env?: Record<string, string>;
  cwd?: string;
  url?: string;
  headers?: Record<string, string>;
  transport?: string;
  oauth?: { mode: string };
  protocol_era?: string;
  timeout?: number;
  project?: string;
  enabled?: boolean;
  roots?: { uri: string; name?: string }[];
  annotations?: Readonly<Record<string, PresetHints>>;
}

export interface AddedServer {
  name: string;
  words: readonly string[];
  /** Whether the words came after `--`, and are thus a command even when the name is a preset's. */
  afterDashes: boolean;
  options: {
    url?: string | undefined;
    header: readonly string[];
    headerEnv: readonly string[];
    era?: string | undefined;
    transport?: string | undefined;
    oauth?: string | undefined;
    env: readonly string[];
    envFrom: readonly string[];
    cwd?: string | undefined;
    timeout?: string | undefined;
    project?: string | undefined;
    preset?: string | undefined;
  };
  io: CliIo;
}

/** The definition that `servers add` sends; throws usage errors in whole sentences. */
export function serverDefinition(added: AddedServer): ServerOptionsSent {
  requireName(added.name);
  const { options } = added;
  return {
    ...(options.url === undefined ? byPresetOrCommand(added) : remote(added, options.url)),
    ...(options.era === undefined
      ? {}
      : { protocol_era: oneOf("--era", options.era, ["auto", "modern", "legacy"]) }),
    ...(options.timeout === undefined ? {} : { timeout: milliseconds(options.timeout) }),
    ...(options.project === undefined ? {} : { project: options.project }),
  };
}

export const serverNamePattern = /^[a-z0-9][a-z0-9_-]{0,31}$/;

function requireName(name: string): void {
  if (serverNamePattern.test(name) && !name.includes("__")) return;
  throw usageError(
    `"${name}" cannot name a server: use 1 to 32 of a-z, 0-9, "-" and "_", beginning with a letter or digit, without "__".`,
  );
}

function byPresetOrCommand(added: AddedServer): ServerOptionsSent {
  const { name, words, afterDashes, options } = added;
  const presetName = presetOf(name, afterDashes, options.preset);
  if (presetName === undefined) return local(added, words);
  const found = presetDefinition(presetName, words);
  if ("command" in found) {
    const { env = {}, annotations } = found.preset;
    const definition = local(added, found.command);
    return {
      ...definition,
      ...(Object.keys({ ...env, ...definition.env }).length > 0 && {
        env: { ...env, ...definition.env },
      }),
      ...(annotations !== undefined && { annotations }),
    };
  }
  const credentials = options.header.concat(options.headerEnv).some(isCredential);
  // The vendors' servers take OAuth; who gives a token need not log in.
  const oauth = options.oauth ?? (credentials ? undefined : "principal");
  const bare = { ...added, words: [], options: { ...options, preset: undefined, oauth } };
  return remote(bare, found.url);
}

function presetOf(
  name: string,
  afterDashes: boolean,
  preset: string | undefined,
): string | undefined {
  if (preset !== undefined) return preset;
  return afterDashes || presetNamed(name) === undefined ? undefined : name;
}

function isCredential(header: string): boolean {
  return /^\s*authorization\s*[:=]/i.test(header);
}

function remote({ words, options, io }: AddedServer, url: string): ServerOptionsSent {
  if (words.length > 0 || options.preset !== undefined) {
    throw usageError("A server is either remote (--url) or a command, not both.");
  }
  if (options.env.length > 0 || options.envFrom.length > 0 || options.cwd !== undefined) {
    throw usageError(
      "--env, --env-from and --cwd are for commands; a remote server takes --header and --header-env.",
    );
  }
  const parsed = URL.parse(url);
  if (parsed === null || !["http:", "https:"].includes(parsed.protocol)) {
    throw usageError(`"${url}" is not an http or https address.`);
  }
  const headers = { ...headersOf(options.header), ...headersFromEnv(options.headerEnv, io) };
  return {
    url,
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
    ...(options.transport === undefined
      ? {}
      : { transport: oneOf("--transport", options.transport, ["streamable-http", "http-sse"]) }),
    ...(options.oauth === undefined
      ? {}
      : { oauth: { mode: oneOf("--oauth", options.oauth, ["principal", "gateway"]) } }),
  };
}

function local(added: AddedServer, words: readonly string[]): ServerOptionsSent {
  const { options, io } = added;
  if (
    options.header.length > 0 ||
    options.headerEnv.length > 0 ||
    options.transport !== undefined ||
    options.oauth !== undefined
  ) {
    throw usageError(
      "--header, --header-env, --transport and --oauth are for remote servers (--url).",
    );
  }
  const [command, ...args] = words;
  if (command === undefined) {
    throw usageError(
      `What is "${added.name}"? Give --url <url>, or a command after --, or the name of a preset (${Object.keys(presets).join(", ")}).`,
    );
  }
  const env = { ...variables(options.env), ...variablesFromEnv(options.envFrom, io) };
  return {
    command,
    args,
    ...(Object.keys(env).length === 0 ? {} : { env }),
    ...(options.cwd === undefined ? {} : { cwd: resolve(io.cwd ?? process.cwd(), options.cwd) }),
  };
}

function headersOf(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((text) => {
      const at = text.indexOf(":");
      const name = text.slice(0, at).trim();
      if (at < 1 || !isToken(name)) throw usageError("--header takes 'Name: value'.");
      return [name, text.slice(at + 1).trim()];
    }),
  );
}

function headersFromEnv(given: readonly string[], io: CliIo): Record<string, string> {
  return Object.fromEntries(
    given.map((text) => {
      const [name, variable] = split(text, "--header-env takes NAME=VARIABLE.");
      if (!isToken(name)) throw usageError(`"${name}" is not the name of a header.`);
      return [name, fromEnv(variable, io)];
    }),
  );
}

function variables(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(given.map((text) => split(text, "--env takes NAME=value.")));
}

function variablesFromEnv(given: readonly string[], io: CliIo): Record<string, string> {
  return Object.fromEntries(given.map((name) => [name, fromEnv(name, io)]));
}

function split(text: string, sentence: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw usageError(sentence);
  return [text.slice(0, at), text.slice(at + 1)];
}

function fromEnv(variable: string, io: CliIo): string {
  const value = io.env[variable];
  if (value === undefined || value === "")
    throw usageError(`The environment variable ${variable} is not set.`);
  return value;
}

function isToken(name: string): boolean {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(name);
}

function oneOf(option: string, value: string, allowed: readonly string[]): string {
  if (allowed.includes(value)) return value;
  throw usageError(`${option} is one of ${allowed.join(", ")}, not "${value}".`);
}

function milliseconds(text: string): number {
  const parsed = duration.safeParse(text);
  if (parsed.success) return parsed.data;
  throw usageError(`--timeout takes a duration such as 30s, 2m or 500ms, not "${text}".`);
}
