import { type McpServer, ResourceTemplate } from "@modelcontextprotocol/server";
import { pngBase64 } from "./media.ts";
import type { World } from "./world.ts";

/** The resource that `test_touch_resource` changes. */
export const watchedUri = "test://watched-resource";

/** Text, binary, watched and `ui://` resources, and a template with completion. */
export function registerResources(server: McpServer, world: World): void {
  server.registerResource(
    "static-text",
    "test://static-text",
    { description: "A text that never changes", mimeType: "text/plain" },
    (uri) => text(uri, "text/plain", "This is the content of the static text resource."),
  );
  server.registerResource(
    "static-binary",
    "test://static-binary",
    { description: "An image that never changes", mimeType: "image/png" },
    (uri) => ({ contents: [{ uri: uri.href, mimeType: "image/png", blob: pngBase64 }] }),
  );
  server.registerResource(
    "watched-resource",
    watchedUri,
    { description: "A text that can be touched", mimeType: "text/plain" },
    (uri) => text(uri, "text/plain", `touched ${world.touches} times`),
  );
  server.registerResource(
    "panel",
    "ui://everything/panel",
    { description: "A user interface", mimeType: "text/html;profile=mcp-app" },
    (uri) => text(uri, "text/html;profile=mcp-app", "<p>Everything</p>"),
  );
  registerTemplate(server);
}

function registerTemplate(server: McpServer): void {
  server.registerResource(
    "template",
    new ResourceTemplate("test://template/{id}/data", {
      list: undefined,
      complete: { id: (value) => ["123", "124", "456"].filter((id) => id.startsWith(value)) },
    }),
    { description: "Data by id", mimeType: "application/json" },
    (uri, variables) => {
      const id = String(variables["id"]);
      const data = { id, templateTest: true, data: `Data for ID: ${id}` };
      return text(uri, "application/json", JSON.stringify(data));
    },
  );
}

function text(
  uri: URL,
  mimeType: string,
  content: string,
): { contents: { uri: string; mimeType: string; text: string }[] } {
  return { contents: [{ uri: uri.href, mimeType, text: content }] };
}
