import { defineSettings, duration, secret } from "@signalbox/kit";
import { z } from "zod";

const place = z.url({ protocol: /^https?$/ });

/** `[services.n8n]`: read at every start, so this file imports nothing but the kit and zod. */
export const n8nSettings = defineSettings({
  options: z.strictObject({
    url: place.optional().describe("Where n8n is, such as http://localhost:5678"),
    api_key: secret("Made under Settings, n8n API").optional(),
    webhook_url: place.optional().describe("Where webhooks are, if not at url"),
    webhook_headers: z
      .record(z.string(), secret())
      .default({})
      .describe("Sent with every call of a webhook, for those that ask for credentials"),
    mcp_token: secret(
      "Made under Settings, MCP access: runs workflows without a webhook",
    ).optional(),
    mcp_url: place.optional().describe("n8n's own MCP server; default url with /mcp-server/http"),
    timeout: duration.default(30_000),
  }),
  env: [
    { name: "N8N_API_URL", path: ["url"] },
    { name: "N8N_API_KEY", path: ["api_key"] },
    { name: "N8N_WEBHOOK_URL", path: ["webhook_url"] },
    { name: "N8N_MCP_TOKEN", path: ["mcp_token"] },
    { name: "N8N_MCP_URL", path: ["mcp_url"] },
  ],
  missing: ({ url, api_key }) => [
    ...(url === undefined ? ["N8N_API_URL, such as http://localhost:5678"] : []),
    ...(api_key === undefined ? ["N8N_API_KEY"] : []),
  ],
});
