// The client command of the authorization scenarios: the gateway is the OAuth client. The scenario's server becomes the only
// member of a bundle of the running gateway; this program calls its tool there and, where the gateway answers with a link,
// follows it as a browser would, since the scenario's authorization server consents by itself.
//
//   SIGNALBOX_URL=… SIGNALBOX_KEY=… node test/conformance/authorized-through-gateway.ts <scenario's server>
import { randomBytes } from "node:crypto";
import { z } from "zod";
import { Browser } from "../support/browser.ts";

const callsMax = 5;

async function main(): Promise<void> {
  const name = `s${randomBytes(6).toString("hex")}`;
  const url = process.argv.at(-1) ?? "";
  await api("POST", "/api/servers", { name, url, oauth: await oauthOptions(url) });
  try {
    await api("POST", "/api/bundles", { name, include: [`${name}__*`], names: "bare" });
    for (let call = 1; call <= callsMax; call++) {
      const answer = JSON.stringify(await callTool(name));
      const link = /https?:\/\/[^\s"]+\/connect\?ticket=[^\s"]+/.exec(answer)?.[0];
      process.stderr.write(`call ${call}: ${answer.slice(0, 600)}\n`);
      if (link !== undefined) await connect(link);
      else if (call > 1 || answer.includes('"error"')) break;
    }
  } finally {
    await api("DELETE", `/api/bundles/${name}`);
    await api("DELETE", `/api/servers/${name}`);
  }
}

const context = z
  .object({
    client_id: z.string().optional(),
    client_secret: z.string().optional(),
    private_key_pem: z.string().optional(),
    signing_algorithm: z.string().optional(),
  })
  .parse(JSON.parse(process.env["MCP_CONFORMANCE_CONTEXT"] ?? "{}"));

async function oauthOptions(url: string): Promise<object> {
  const { client_id, client_secret, private_key_pem, signing_algorithm } = context;
  if (client_id === undefined) return { mode: "gateway" };
  const machine = process.env["MCP_CONFORMANCE_SCENARIO"]?.startsWith("auth/client-credentials");
  return {
    mode: "gateway",
    client_id,
    // Whoever registered the client knows where.
    issuer: await issuerOf(url),
    ...(machine === true && { grant: "client_credentials" }),
    ...(client_secret !== undefined && { client_secret }),
    ...(private_key_pem !== undefined && { private_key: private_key_pem, signing_algorithm }),
  };
}

async function issuerOf(url: string): Promise<string | undefined> {
  const metadata = new URL("/.well-known/oauth-protected-resource/mcp", url);
  const shape = z.object({ authorization_servers: z.array(z.string()) });
  return shape.parse(await (await fetch(metadata)).json()).authorization_servers[0];
}

async function connect(link: string): Promise<void> {
  const browser = new Browser();
  const page = await browser.open(link);
  const start = /class="go" href="([^"]+)"/.exec(page.text)?.[1]?.replaceAll("&#38;", "&");
  if (start === undefined) throw new Error(`the page has no link: ${page.text}`);
  const end = await browser.open(new URL(start, page.url).href);
  process.stderr.write(`connected: ${end.status} ${/role="\w+">[^<]*/.exec(end.text)?.[0]}\n`);
}

async function callTool(bundle: string): Promise<unknown> {
  const answer = await fetch(`${required("SIGNALBOX_URL")}/mcp/${bundle}`, {
    method: "POST",
    headers: {
      ...authorization(),
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": "test-tool",
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: {
        name: "test-tool",
        arguments: {},
        _meta: {
          "io.modelcontextprotocol/protocolVersion": "2026-07-28",
          "io.modelcontextprotocol/clientInfo": { name: "conformance", version: "1" },
          "io.modelcontextprotocol/clientCapabilities": {},
        },
      },
    }),
  });
  const text = await answer.text();
  return JSON.parse(/^data: (\{.*)$/m.exec(text)?.[1] ?? text);
}

async function api(method: string, path: string, body?: unknown): Promise<void> {
  const answer = await fetch(required("SIGNALBOX_URL") + path, {
    method,
    headers: authorization(),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
}

function authorization(): Record<string, string> {
  return {
    authorization: `Bearer ${required("SIGNALBOX_KEY")}`,
    "content-type": "application/json",
  };
}

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

await main();
