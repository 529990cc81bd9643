import { randomBytes } from "node:crypto";
import { createRequestStateCodec, McpServer } from "@modelcontextprotocol/server";
import { registerAskingTools } from "./asking-tools.ts";
import { registerChanges } from "./changes.ts";
import { registerContentTools } from "./content-tools.ts";
import { registerPrompts } from "./prompts.ts";
import { registerResources } from "./resources.ts";
import { registerRoundTripTools, type RoundState } from "./round-trip-tools.ts";
import { registerRunningTools } from "./running-tools.ts";
import type { World } from "./world.ts";

/** What an instance is made for: one request of the modern era, or a connection that lasts. */
export interface Connection {
  era: "legacy" | "modern";
  lasting: boolean;
}

/** One server instance with every fixture; a `lasting` one also tells its client of every change until it closes. */
export function createEverything(world: World, { era, lasting }: Connection): McpServer {
  const server = new McpServer(
    { name: "everything", title: "Everything", version: "1.0.0" },
    {
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        prompts: { listChanged: true },
        logging: {},
        completions: {},
      },
      instructions: "Every feature of the protocol, for tests.",
      cacheHints: {
        "tools/list": { ttlMs: 1_000, cacheScope: "public" },
        "resources/read": { ttlMs: 500, cacheScope: "private" },
      },
      requestState: { verify: (state, context) => codec.verify(state, context) },
    },
  );
  // The suites call the first tool without arguments, so the plain ones come first.
  registerContentTools(server);
  registerRunningTools(server, world);
  registerAskingTools(server);
  registerRoundTripTools(server, codec);
  registerResources(server, world);
  registerPrompts(server);
  const follow = registerChanges(server, world, era);
  // oxlint-disable-next-line unicorn/prefer-add-event-listener -- not an event target
  if (lasting) server.server.onclose = follow();
  return server;
}

const codec = createRequestStateCodec<RoundState>({ key: randomBytes(32) });
