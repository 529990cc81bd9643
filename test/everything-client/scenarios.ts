import {
  type CallToolResult,
  type Client,
  SdkError,
  SdkErrorCode,
  type Tool,
} from "@modelcontextprotocol/client";
import { z } from "zod";

/** What the client does in each scenario of the client suites, beyond connecting. */
export const scenarios: Readonly<Record<string, (client: Client) => Promise<void>>> = {
  initialize: listOnly,
  "request-metadata": listOnly,
  "json-schema-ref-no-deref": listOnly,
  tools_call: (client) => callListed(client, "add_numbers", { a: 5, b: 3 }),
  "elicitation-sep1034-client-defaults": (client) =>
    callListed(client, "test_client_elicitation_defaults", {}),
  "sse-retry": (client) => callListed(client, "test_reconnection", {}),
  "sep-2322-client-request-state": askedTwice,
  "http-standard-headers": everyMethod,
  "http-custom-headers": callsOfTheContext,
  "http-invalid-tool-headers": callEverythingListed,
  "json-schema-2020-12-preservation": sendSchemaBack,
};

async function listOnly(client: Client): Promise<void> {
  await client.listTools();
}

async function callListed(
  client: Client,
  name: string,
  args: Record<string, unknown>,
): Promise<void> {
  await find(client, name);
  await client.callTool({ name, arguments: args });
}

async function askedTwice(client: Client): Promise<void> {
  await client.listTools();
  const [echoed] = await Promise.all([
    client.callTool({ name: "test_mrtr_echo_state", arguments: {} }),
    client.callTool({ name: "test_mrtr_unrelated", arguments: {} }),
  ]);
  expectText(echoed, "echo-state-ok");
  await client.callTool({ name: "test_mrtr_no_state", arguments: {} });
  await client
    .callTool({ name: "test_mrtr_no_result_type", arguments: {} })
    .catch(unlessResultIsInvalid);
}

// The SDK refuses a result without a type; the suite only wants it not to be retried.
function unlessResultIsInvalid(error: unknown): void {
  if (!(error instanceof SdkError && error.code === SdkErrorCode.InvalidResult)) throw error;
}

async function everyMethod(client: Client): Promise<void> {
  await callEverythingListed(client);
  const { resources } = await client.listResources();
  for (const resource of resources) await client.readResource({ uri: resource.uri });
  const { prompts } = await client.listPrompts();
  for (const prompt of prompts) await client.getPrompt({ name: prompt.name });
}

async function callEverythingListed(client: Client): Promise<void> {
  const { tools } = await client.listTools();
  for (const tool of tools)
    await client.callTool({ name: tool.name, arguments: smallestArguments(tool) });
}

function smallestArguments(tool: Tool): Record<string, unknown> {
  return Object.fromEntries((tool.inputSchema.required ?? []).map((name) => [name, "us-west1"]));
}

async function callsOfTheContext(client: Client): Promise<void> {
  const context = contextSchema.parse(JSON.parse(process.env["MCP_CONFORMANCE_CONTEXT"] ?? "{}"));
  await client.listTools();
  for (const call of context.toolCalls) await client.callTool(call);
}

const contextSchema = z.object({
  toolCalls: z.array(z.object({ name: z.string(), arguments: z.record(z.string(), z.unknown()) })),
});

async function sendSchemaBack(client: Client): Promise<void> {
  const focal = await find(client, "json_schema_2020_12_tool");
  const { tools } = await client.listTools();
  const echo = tools.find((tool) => tool.name !== focal.name);
  if (!echo) throw new Error("no second tool is listed");
  await client.callTool({ name: echo.name, arguments: { schema: focal.inputSchema } });
}

async function find(client: Client, name: string): Promise<Tool> {
  const { tools } = await client.listTools();
  const found = tools.find((tool) => tool.name === name);
  if (!found)
    throw new Error(`${name} is not listed, but ${tools.map((tool) => tool.name).join()}`);
  return found;
}

function expectText(result: CallToolResult, text: string): void {
  const [first] = result.content;
  if (first?.type !== "text" || first.text !== text)
    throw new Error(`expected ${text}, not ${JSON.stringify(result)}`);
}
