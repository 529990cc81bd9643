import type { McpServer } from "@modelcontextprotocol/server";
import { watchedUri } from "./resources.ts";
import type { World } from "./world.ts";

/** Registers what makes lists and resources change; the result follows the world until it is told to stop. */
export function registerChanges(
  server: McpServer,
  world: World,
  era: "legacy" | "modern",
): () => () => void {
  registerTriggers(server, world);
  const tool = server.registerTool("test_dynamic_tool", { description: "Comes and goes" }, () => ({
    content: [{ type: "text", text: "Listed at the moment." }],
  }));
  const prompt = server.registerPrompt(
    "test_dynamic_prompt",
    { description: "Comes and goes" },
    () => ({
      messages: [{ role: "user", content: { type: "text", text: "Listed at the moment." } }],
    }),
  );
  const align = {
    tools: (): void => (world.toolListed ? tool.enable() : tool.disable()),
    prompts: (): void => (world.promptListed ? prompt.enable() : prompt.disable()),
    resource: followResource(server, era),
  };
  align.tools();
  align.prompts();
  return () => world.onChange((change) => align[change]());
}

function registerTriggers(server: McpServer, world: World): void {
  const trigger = (name: string, description: string, change: () => void): void => {
    server.registerTool(name, { description }, () => {
      change();
      return { content: [{ type: "text", text: "Changed." }] };
    });
  };
  trigger("test_trigger_tool_change", "Changes the list of tools", () => world.toggleTool());
  trigger("test_trigger_prompt_change", "Changes the list of prompts", () => world.togglePrompt());
  trigger("test_touch_resource", "Changes test://watched-resource", () => world.touchResource());
}

// A legacy client subscribes with requests of its own; in the modern era the SDK knows who listens to what.
function followResource(server: McpServer, era: "legacy" | "modern"): () => void {
  const subscribed = new Set<string>();
  server.server.setRequestHandler("resources/subscribe", (request) => {
    subscribed.add(request.params.uri);
    return {};
  });
  server.server.setRequestHandler("resources/unsubscribe", (request) => {
    subscribed.delete(request.params.uri);
    return {};
  });
  return () => {
    if (era === "modern" || subscribed.has(watchedUri))
      void server.server.sendResourceUpdated({ uri: watchedUri }).catch(() => undefined);
  };
}
