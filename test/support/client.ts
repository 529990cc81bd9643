// One face for the official clients, so that a battery of tests can be run with each of them.
import { Client as ModernClient } from "@modelcontextprotocol/client";
import { StreamableHTTPClientTransport as HttpTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport as StdioTransport } from "@modelcontextprotocol/client/stdio";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as OldStdioTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as OldHttpTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  CallToolResultSchema,
  PromptListChangedNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";

export type ClientKind = "client 2.4.0, modern" | "client 2.4.0, legacy" | "sdk 1.32.2";

export const clientKinds: readonly ClientKind[] = [
  "client 2.4.0, modern",
  "client 2.4.0, legacy",
  "sdk 1.32.2",
];

/** Where a client connects: an endpoint with a key, or a process. */
export type Place =
  | { url: string; key?: string }
  | { command: string; args: string[]; env: Record<string, string> };

export interface CallOptions {
  onprogress?: (progress: { progress: number; total?: number | undefined }) => void;
  signal?: AbortSignal;
  timeout?: number;
}

/** What a test asks a connected client, whichever SDK it is of. */
export interface ConnectedClient {
  tools(): Promise<{ name: string; [field: string]: unknown }[]>;
  toolsMeta(): Promise<Record<string, unknown>>;
  call(name: string, args?: Record<string, unknown>, options?: CallOptions): Promise<CallResult>;
  resources(): Promise<{ uri: string; name: string }[]>;
  templates(): Promise<{ uriTemplate: string; name: string }[]>;
  read(uri: string): Promise<{ uri: string; text?: unknown; blob?: unknown }[]>;
  prompts(): Promise<{ name: string }[]>;
  prompt(name: string, args?: Record<string, string>): Promise<{ messages: unknown[] }>;
  complete(
    ref: { type: "ref/prompt"; name: string } | { type: "ref/resource"; uri: string },
    argument: { name: string; value: string },
  ): Promise<string[]>;
  /** Counts notifications from now on; with a URI also updates of that resource. */
  watch(uri?: string): Promise<{ tools(): number; prompts(): number; updates(): number }>;
  close(): Promise<void>;
}

export interface CallResult {
  content: { type: string; text?: unknown; [field: string]: unknown }[];
  isError?: boolean | undefined;
  structuredContent?: unknown;
  [field: string]: unknown;
}

/** Connects one of the official clients; the client 2.4.0 pins its era. */
export async function connect(kind: ClientKind, place: Place): Promise<ConnectedClient> {
  if (kind === "sdk 1.32.2") return await connectOld(place);
  const modern = kind === "client 2.4.0, modern";
  const client = new ModernClient(
    { name: "signalbox-test", version: "1.0.0" },
    { versionNegotiation: { mode: modern ? { pin: "2026-07-28" } : "legacy" } },
  );
  await client.connect(
    "url" in place
      ? new HttpTransport(new URL(place.url), { requestInit: { headers: authorization(place) } })
      : new StdioTransport({ ...place, stderr: "ignore" }),
  );
  return {
    ...requestsOf(client),
    call: (name, args = {}, options = {}) => client.callTool({ name, arguments: args }, options),
    watch: (uri) => (modern ? watchModern(client, uri) : watchLegacy(client, uri)),
    close: () => client.close(),
  };
}

async function connectOld(place: Place): Promise<ConnectedClient> {
  const client = new OldClient({ name: "signalbox-test", version: "1.0.0" });
  const transport =
    "url" in place
      ? new OldHttpTransport(new URL(place.url), { requestInit: { headers: authorization(place) } })
      : new OldStdioTransport({ ...place, stderr: "ignore" });
  await client.connect(transport);
  return {
    ...requestsOf(client),
    call: async (name, args = {}, options = {}) => {
      const result = await client.callTool({ name, arguments: args }, undefined, options);
      return CallToolResultSchema.parse(result);
    },
    watch: (uri) => watchOld(client, uri),
    close: () => client.close(),
  };
}

function authorization(place: { key?: string }): Record<string, string> {
  return place.key === undefined ? {} : { authorization: `Bearer ${place.key}` };
}

function requestsOf(
  client: ModernClient | OldClient,
): Omit<ConnectedClient, "call" | "watch" | "close"> {
  return {
    tools: async () => (await client.listTools()).tools,
    toolsMeta: async () => {
      const { _meta: meta = {} } = await client.listTools();
      return meta;
    },
    resources: async () => (await client.listResources()).resources,
    templates: async () => (await client.listResourceTemplates()).resourceTemplates,
    read: async (uri) => (await client.readResource({ uri })).contents,
    prompts: async () => (await client.listPrompts()).prompts,
    prompt: (name, args) => client.getPrompt({ name, ...(args && { arguments: args }) }),
    complete: async (ref, argument) => (await client.complete({ ref, argument })).completion.values,
  };
}

function counters(): {
  counts: { tools: number; prompts: number; updates: number };
  view: { tools(): number; prompts(): number; updates(): number };
} {
  const counts = { tools: 0, prompts: 0, updates: 0 };
  return {
    counts,
    view: {
      tools: () => counts.tools,
      prompts: () => counts.prompts,
      updates: () => counts.updates,
    },
  };
}

async function watchModern(
  client: ModernClient,
  uri: string | undefined,
): Promise<ReturnType<typeof counters>["view"]> {
  const view = countOn(client);
  await client.listen({
    toolsListChanged: true,
    promptsListChanged: true,
    ...(uri === undefined ? {} : { resourceSubscriptions: [uri] }),
  });
  return view;
}

async function watchLegacy(
  client: ModernClient,
  uri: string | undefined,
): Promise<ReturnType<typeof counters>["view"]> {
  const view = countOn(client);
  if (uri !== undefined) await client.subscribeResource({ uri });
  return view;
}

function countOn(client: ModernClient): ReturnType<typeof counters>["view"] {
  const { counts, view } = counters();
  client.setNotificationHandler("notifications/tools/list_changed", () => {
    counts.tools += 1;
  });
  client.setNotificationHandler("notifications/prompts/list_changed", () => {
    counts.prompts += 1;
  });
  client.setNotificationHandler("notifications/resources/updated", () => {
    counts.updates += 1;
  });
  return view;
}

async function watchOld(
  client: OldClient,
  uri: string | undefined,
): Promise<ReturnType<typeof counters>["view"]> {
  const { counts, view } = counters();
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
    counts.tools += 1;
  });
  client.setNotificationHandler(PromptListChangedNotificationSchema, () => {
    counts.prompts += 1;
  });
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, () => {
    counts.updates += 1;
  });
  if (uri !== undefined) await client.subscribeResource({ uri });
  return view;
}
