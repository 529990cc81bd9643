// One parser for the files of Claude Desktop, Claude Code, Cursor, VS Code and the Inspector: they differ in where the
// servers stand and in a few fields, not in kind.
import { dirname, basename } from "node:path";
import { z } from "zod";
import type { FoundEntry, InputQuestion } from "./found-server.ts";
import type { ServerOptionsSent } from "../server-definition.ts";
import { serversInServerJson } from "./server-json.ts";

/** What the servers of a file are, by the file's shape; undefined when it holds none that are known. */
export function serversInFile(content: unknown, file: string): FoundEntry[] | undefined {
  const root = object.safeParse(content);
  if (!root.success) return undefined;
  const { mcpServers, servers, projects, mcp } = root.data;
  const folder = folderOf(file);
  if (isObject(mcpServers) || isObject(projects)) {
    return [...entries(mcpServers, folder, noInputs), ...projectEntries(projects)];
  }
  if (isObject(servers)) return entries(servers, folder, inputsOf(root.data["inputs"]));
  if (isObject(mcp) && isObject(mcp["servers"]))
    return entries(mcp["servers"], folder, inputsOf(mcp["inputs"]));
  const published = serversInServerJson(content, folder);
  if (published !== undefined) return published;
  const values = Object.values(root.data);
  const isBareMap =
    values.length > 0 &&
    values.every((value) => isObject(value) && ("command" in value || "url" in value));
  return isBareMap ? entries(root.data, folder, noInputs) : undefined;
}

const object = z.record(z.string(), z.unknown());
const noInputs: ReadonlyMap<string, InputQuestion> = new Map();

function isObject(value: unknown): value is Record<string, unknown> {
  return object.safeParse(value).success;
}

/** A file in `.vscode` or `.cursor` speaks of the folder around it. */
function folderOf(file: string): string {
  const folder = dirname(file);
  return [".vscode", ".cursor"].includes(basename(folder)) ? dirname(folder) : folder;
}

function projectEntries(projects: unknown): FoundEntry[] {
  if (!isObject(projects)) return [];
  return Object.entries(projects).flatMap(([folder, project]) =>
    isObject(project)
      ? entries(project["mcpServers"], folder, noInputs).map((entry) =>
          entry.kind === "server"
            ? { ...entry, notes: [`It was set up for the project ${folder} only.`, ...entry.notes] }
            : entry,
        )
      : [],
  );
}

function entries(
  servers: unknown,
  folder: string,
  inputs: ReadonlyMap<string, InputQuestion>,
): FoundEntry[] {
  if (!isObject(servers)) return [];
  return Object.entries(servers).map(([name, entry]) => readEntry(name, entry, folder, inputs));
}

const texts = z.record(
  z.string(),
  z.union([z.string(), z.number(), z.boolean()]).transform(String),
);

const entryShape = z.looseObject({
  type: z.string().optional(),
  transport: z.string().optional(),
  command: z.string().min(1).optional(),
  args: z.array(z.union([z.string(), z.number(), z.boolean()]).transform(String)).optional(),
  env: texts.nullish(),
  envFile: z.string().optional(),
  cwd: z.string().optional(),
  url: z.string().optional(),
  httpUrl: z.string().optional(),
  serverUrl: z.string().optional(),
  headers: texts.nullish(),
  disabled: z.boolean().optional(),
  enabled: z.boolean().optional(),
  protocolEra: z.enum(["legacy", "auto", "modern"]).optional(),
  roots: z
    .array(z.union([z.string(), z.looseObject({ uri: z.string(), name: z.string().optional() })]))
    .optional(),
});
type Entry = z.infer<typeof entryShape>;

function readEntry(
  originalName: string,
  content: unknown,
  folder: string,
  inputs: ReadonlyMap<string, InputQuestion>,
): FoundEntry {
  const unsupported = (reason: string): FoundEntry => ({
    kind: "unsupported",
    originalName,
    reason,
  });
  const parsed = entryShape.safeParse(content);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return unsupported(
      `Its ${issue?.path.join(".") || "entry"} is not what a server has: ${issue?.message ?? "?"}.`,
    );
  }
  const entry = parsed.data;
  const problem = problemOf(entry);
  if (problem !== undefined) return unsupported(problem);
  return {
    kind: "server",
    originalName,
    folder,
    options: { ...optionsOf(entry), ...everyKind(entry) },
    ...(entry.envFile === undefined ? {} : { envFile: entry.envFile }),
    notes: notesOf(entry),
    inputs,
  };
}

const localKinds = new Set(["stdio", "local"]);
const remoteKinds = new Set([
  "http",
  "streamable-http",
  "streamableHttp",
  "streamable_http",
  "sse",
  "remote",
]);

function addressOf(entry: Entry): string | undefined {
  return entry.url ?? entry.httpUrl ?? entry.serverUrl;
}

function problemOf(entry: Entry): string | undefined {
  const kind = entry.type ?? entry.transport;
  const address = addressOf(entry);
  if (address !== undefined && /^(unix|pipe):/i.test(address)) {
    return `It listens on a local socket (${address}), which the gateway does not reach: give it an http address.`;
  }
  if (address !== undefined && /^wss?:/i.test(address))
    return "It speaks WebSocket, which no revision of MCP defines.";
  if (kind !== undefined && !localKinds.has(kind) && !remoteKinds.has(kind)) {
    return `Its type "${kind}" is not one the gateway connects to.`;
  }
  if (entry.command === undefined && address === undefined)
    return "It has neither a command nor a url.";
  if (kind !== undefined && localKinds.has(kind) && entry.command === undefined)
    return "It has no command.";
  if (kind !== undefined && remoteKinds.has(kind) && address === undefined) return "It has no url.";
  return undefined;
}

function optionsOf(entry: Entry): ServerOptionsSent {
  const kind = entry.type ?? entry.transport;
  const address = addressOf(entry);
  const isRemote =
    address !== undefined &&
    (entry.command === undefined || (kind !== undefined && remoteKinds.has(kind)));
  if (!isRemote) {
    return {
      ...(entry.command === undefined ? {} : { command: entry.command }),
      args: entry.args ?? [],
      ...(entry.env === undefined || entry.env === null ? {} : { env: entry.env }),
      ...(entry.cwd === undefined ? {} : { cwd: entry.cwd }),
    };
  }
  return {
    url: address,
    ...(entry.headers === undefined || entry.headers === null ? {} : { headers: entry.headers }),
    ...(kind === "sse" ? { transport: "http-sse" } : {}),
    ...(kind !== undefined && kind !== "sse" && kind !== "remote"
      ? { transport: "streamable-http" }
      : {}),
  };
}

function everyKind(entry: Entry): ServerOptionsSent {
  const roots = entry.roots?.map((root) =>
    typeof root === "string"
      ? { uri: root }
      : { uri: root.uri, ...(root.name === undefined ? {} : { name: root.name }) },
  );
  return {
    ...(entry.protocolEra === undefined ? {} : { protocol_era: entry.protocolEra }),
    ...(entry.disabled === true || entry.enabled === false ? { enabled: false } : {}),
    ...(roots === undefined ? {} : { roots }),
  };
}

function notesOf(entry: Entry): string[] {
  const notes: [unknown, string][] = [
    [
      entry["oauth"] ?? entry["auth"],
      "Its sign-in (OAuth) is not taken over; give it a header with a token if it needs one.",
    ],
    [
      entry["headersHelper"],
      "Its header helper program is not taken over; give it the header itself.",
    ],
    [entry["sandbox"] ?? entry["sandboxEnabled"], "Its sandbox settings are not taken over."],
    [
      entry.disabled === true || entry.enabled === false ? true : undefined,
      "It was disabled there, and is added disabled.",
    ],
  ];
  return notes.flatMap(([present, note]) => (present === undefined ? [] : [note]));
}

const inputShape = z.looseObject({
  id: z.string(),
  type: z.string().optional(),
  description: z.string().optional(),
  password: z.boolean().optional(),
  default: z.string().optional(),
  options: z
    .array(
      z.union([z.string(), z.looseObject({ value: z.string() }).transform(({ value }) => value)]),
    )
    .optional(),
});

function inputsOf(inputs: unknown): ReadonlyMap<string, InputQuestion> {
  const list = z.array(z.unknown()).safeParse(inputs).data ?? [];
  return new Map(
    list.flatMap((item) => {
      const input = inputShape.safeParse(item).data;
      if (input === undefined) return [];
      const question: InputQuestion = {
        description: input.description ?? input.id,
        secret: input.password === true,
        ...(input.default === undefined ? {} : { default: input.default }),
        ...(input.options === undefined ? {} : { choices: input.options }),
      };
      return [[`input:${input.id}`, question] as const];
    }),
  );
}
