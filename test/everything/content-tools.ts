import { fromJsonSchema, type McpServer } from "@modelcontextprotocol/server";
import { pngBase64, wavBase64 } from "./media.ts";

/** Tools that answer at once: every kind of content, and the schemas and annotations that must survive a hop. */
export function registerContentTools(server: McpServer): void {
  registerPlainContent(server);
  registerResourceContent(server);
  registerFailures(server);
  registerSchemaTools(server);
  registerAnnotatedTools(server);
}

function registerPlainContent(server: McpServer): void {
  server.registerTool("test_simple_text", { description: "Answers with one text" }, () => ({
    content: [{ type: "text", text: "This is a simple text response for testing." }],
  }));
  server.registerTool("test_image_content", { description: "Answers with an image" }, () => ({
    content: [{ type: "image", data: pngBase64, mimeType: "image/png" }],
  }));
  server.registerTool("test_audio_content", { description: "Answers with audio" }, () => ({
    content: [{ type: "audio", data: wavBase64, mimeType: "audio/wav" }],
  }));
}

function registerResourceContent(server: McpServer): void {
  server.registerTool("test_embedded_resource", { description: "Embeds a resource" }, () => ({
    content: [
      {
        type: "resource",
        resource: {
          uri: "test://embedded-resource",
          mimeType: "text/plain",
          text: "This is an embedded resource content.",
        },
      },
    ],
  }));
  server.registerTool("test_multiple_content_types", { description: "Mixes three kinds" }, () => ({
    content: [
      { type: "text", text: "Multiple content types test:" },
      { type: "image", data: pngBase64, mimeType: "image/png" },
      {
        type: "resource",
        resource: {
          uri: "test://mixed-content-resource",
          mimeType: "application/json",
          text: JSON.stringify({ test: "data", value: 123 }),
        },
      },
    ],
  }));
  server.registerTool("test_resource_link", { description: "Links to a resource" }, () => ({
    content: [{ type: "resource_link", uri: "test://static-text", name: "static-text" }],
  }));
}

function registerFailures(server: McpServer): void {
  server.registerTool("test_error_handling", { description: "Always fails" }, () => {
    throw new Error("This tool intentionally returns an error for testing");
  });
}

function registerSchemaTools(server: McpServer): void {
  server.registerTool(
    "json_schema_2020_12_tool",
    {
      description: "Uses JSON Schema 2020-12 features",
      inputSchema: fromJsonSchema(contactSchema),
    },
    () => ({ content: [{ type: "text", text: "valid" }] }),
  );
  server.registerTool(
    "test_x_mcp_header",
    { description: "Mirrors arguments into headers", inputSchema: fromJsonSchema(mirroredSchema) },
    (args) => ({ content: [{ type: "text", text: JSON.stringify(args) }] }),
  );
  server.registerTool(
    "test_echo",
    {
      description: "Answers with its arguments and the request's _meta",
      inputSchema: fromJsonSchema({ type: "object", additionalProperties: true }),
      outputSchema: fromJsonSchema({
        type: "object",
        properties: { arguments: { type: "object" }, meta: { type: "object" } },
        required: ["arguments"],
      }),
    },
    (args, context) => {
      const { _meta: meta = {} } = context.mcpReq;
      const echoed = { arguments: args, meta };
      return {
        content: [{ type: "text", text: JSON.stringify(echoed) }],
        structuredContent: echoed,
        _meta: { "example.test/echoed": true },
      };
    },
  );
}

function registerAnnotatedTools(server: McpServer): void {
  server.registerTool(
    "test_annotated",
    {
      title: "Annotated",
      description: "Carries every optional field a tool may have",
      annotations: {
        title: "Annotated",
        readOnlyHint: true,
        destructiveHint: false,
        idempotentHint: true,
        openWorldHint: false,
      },
      icons: [{ src: `data:image/png;base64,${pngBase64}`, mimeType: "image/png", sizes: ["1x1"] }],
      _meta: { ui: { resourceUri: "ui://everything/panel" }, "example.test/kept": [1, "two"] },
    },
    () => ({ content: [{ type: "text", text: "annotated" }] }),
  );
}

const contactSchema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  $defs: {
    address: {
      $anchor: "addressDef",
      type: "object",
      properties: { street: { type: "string" }, city: { type: "string" } },
    },
  },
  properties: {
    name: { type: "string" },
    address: { $ref: "#/$defs/address" },
    contactMethod: { type: "string", enum: ["phone", "email"] },
    phone: { type: "string" },
    email: { type: "string" },
  },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
  // oxlint-disable-next-line unicorn/no-thenable -- a JSON Schema keyword
  then: { required: ["phone"] },
  else: { required: ["email"] },
  additionalProperties: false,
} as const;

const mirroredSchema = {
  type: "object",
  properties: {
    region: { type: "string", "x-mcp-header": "Region" },
    limit: { type: "integer", "x-mcp-header": "Limit" },
    note: { type: "string" },
  },
  required: ["region"],
} as const;
