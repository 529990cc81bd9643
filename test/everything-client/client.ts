// A client that plays the non-authorization scenarios of the client suites.
//
//   MCP_CONFORMANCE_SCENARIO=tools_call node test/everything-client/client.ts <server url>
//
// MCP_CONFORMANCE_PROTOCOL_VERSION picks the era; EVERYTHING_CLIENT_KEY, when set, is sent as a bearer token.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { scenarios } from "./scenarios.ts";

const revision = process.env["MCP_CONFORMANCE_PROTOCOL_VERSION"] ?? "2025-11-25";

async function main(): Promise<void> {
  const scenario = process.env["MCP_CONFORMANCE_SCENARIO"] ?? "";
  const play = scenarios[scenario];
  if (!play) throw new Error(`scenario ${JSON.stringify(scenario)} is not one this client plays`);
  const client = connectable();
  await client.connect(transportTo(process.argv.at(-1) ?? ""));
  await play(client);
  await client.close();
}

function connectable(): Client {
  const client = new Client(
    { name: "everything-client", version: "1.0.0" },
    {
      capabilities: { roots: {}, sampling: {}, elicitation: { form: { applyDefaults: true } } },
      versionNegotiation: { mode: revision === "2026-07-28" ? "auto" : "legacy" },
    },
  );
  client.setRequestHandler("elicitation/create", (request) => ({
    action: "accept",
    content: "confirmed" in properties(request.params) ? { confirmed: true } : {},
  }));
  client.setRequestHandler("sampling/createMessage", () => ({
    model: "none",
    role: "assistant",
    content: { type: "text", text: "An answer." },
  }));
  client.setRequestHandler("roots/list", () => ({ roots: [] }));
  return client;
}

function properties(params: object): object {
  if (!("requestedSchema" in params)) return {};
  const { requestedSchema: schema } = params;
  if (typeof schema !== "object" || schema === null || !("properties" in schema)) return {};
  return typeof schema.properties === "object" && schema.properties !== null
    ? schema.properties
    : {};
}

function transportTo(url: string): StreamableHTTPClientTransport {
  const key = process.env["EVERYTHING_CLIENT_KEY"];
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  return new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
}

await main();
