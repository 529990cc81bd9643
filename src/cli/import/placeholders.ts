// What stands in for a value: ${VAR}, ${VAR:-default}, ${env:NAME}, ${userHome}, ${workspaceFolder}, ${input:id}.
import { sep, basename } from "node:path";
import { isSecretName } from "../../foundation/index.ts";
import type { ServerOptionsSent } from "../server-definition.ts";
import type { FoundServer, InputQuestion } from "./found-server.ts";

export interface Surroundings {
  env: Readonly<Record<string, string | undefined>>;
  userHome: string;
}

/** A placeholder nothing here answers. */
export interface OpenQuestion extends InputQuestion {
  /** As between the braces: `input:token`, `env:TOKEN`, `TOKEN`. */
  id: string;
}

/** Every placeholder of the server that its surroundings do not answer, once each, in the order they stand. */
export function openQuestions(server: FoundServer, surroundings: Surroundings): OpenQuestion[] {
  const open = new Map<string, OpenQuestion>();
  resolveServer(server, surroundings, (id, where) => {
    const input = server.inputs.get(id);
    const name = id.replace(/^(env|input):/, "");
    open.set(id, {
      id,
      description: input?.description ?? name,
      secret:
        (open.get(id)?.secret ?? input?.secret ?? false) ||
        isSecretName(name) ||
        isSecretName(where),
      ...(input?.default === undefined ? {} : { default: input.default }),
      ...(input?.choices === undefined ? {} : { choices: input.choices }),
    });
    return "";
  });
  return [...open.values()];
}

/** The options with every placeholder replaced; `answers` holds what was asked, by the question's id. */
export function resolveOptions(
  server: FoundServer,
  surroundings: Surroundings,
  answers: ReadonlyMap<string, string>,
): ServerOptionsSent {
  return resolveServer(server, surroundings, (id) => answers.get(id) ?? "");
}

type Asked = (id: string, where: string) => string;

function resolveServer(
  server: FoundServer,
  surroundings: Surroundings,
  asked: Asked,
): ServerOptionsSent {
  const { command, args, env, cwd, url, headers } = server.options;
  const text = (value: string, where: string): string =>
    resolveText(value, server, surroundings, (id) => asked(id, where));
  const record = (values: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [name, text(value, name)]));
  return {
    ...server.options,
    ...(command === undefined ? {} : { command: text(command, "command") }),
    ...(args === undefined ? {} : { args: args.map((value) => text(value, "argument")) }),
    ...(env === undefined ? {} : { env: record(env) }),
    ...(cwd === undefined ? {} : { cwd: text(cwd, "cwd") }),
    ...(url === undefined ? {} : { url: text(url, "url") }),
    ...(headers === undefined ? {} : { headers: record(headers) }),
  };
}

/** One text with its placeholders replaced; what has no answer in the surroundings is asked for. */
export function resolveText(
  text: string,
  server: Pick<FoundServer, "folder" | "inputs">,
  surroundings: Surroundings,
  asked: (id: string) => string,
): string {
  return text.replaceAll(/\$\{([^${}]+)\}/g, (_whole, inside: string) => {
    const [id, standing] = splitDefault(inside);
    return known(id, server, surroundings) ?? standing ?? asked(id);
  });
}

function splitDefault(inside: string): [string, string | undefined] {
  const at = inside.indexOf(":-");
  return at === -1
    ? [inside.trim(), undefined]
    : [inside.slice(0, at).trim(), inside.slice(at + 2)];
}

function known(
  id: string,
  { folder }: Pick<FoundServer, "folder">,
  { env, userHome }: Surroundings,
): string | undefined {
  if (id === "userHome") return userHome;
  if (id === "workspaceFolder" || id === "cwd") return folder;
  if (id === "workspaceFolderBasename") return basename(folder);
  if (id === "pathSeparator" || id === "/") return sep;
  if (id.startsWith("input:")) return undefined;
  const value = env[id.startsWith("env:") ? id.slice("env:".length) : id];
  return value === "" ? undefined : value;
}

/** Placeholders that only the editor itself can answer. */
export function unanswerable(server: FoundServer): string | undefined {
  const texts = JSON.stringify(server.options);
  return /\$\{(?:command|config|file|fileDirname|relativeFile|selectedText|lineNumber)\b[^}]*\}/.exec(
    texts,
  )?.[0];
}
