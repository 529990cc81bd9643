import { expect, onTestFinished, test } from "vitest";
import { fakeHttpServer, discovery, json } from "../upstream/transports/fake-http-server.ts";
import {
  LegacyClient,
  modern,
  remote,
  sendRequest,
  start,
  type RunningGateway,
} from "./running-gateway.ts";

/** Requests refused so far, of all codes together. */
async function refused({ metrics }: RunningGateway): Promise<number> {
  const text = await metrics.render();
  return [...text.matchAll(/^mcp_requests_refused_total\{.*\} (\d+)$/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}

test("whatever the gateway refuses is counted", async () => {
  const inputSchema = {
    type: "object",
    properties: { region: { type: "string", "x-mcp-header": "Region" } },
  };
  const peer = await fakeHttpServer((request, response) => {
    if (discovery(request, response, { tools: {} })) return;
    const result = { resultType: "complete", tools: [{ name: "t", inputSchema }] };
    json(response, { jsonrpc: "2.0", id: request.message["id"], result });
  });
  onTestFinished(() => peer.close());
  const running = await start(
    { servers: [remote("up", peer.url)] },
    { limits: { sessions_max: 1, body_bytes_max: 1024 } },
  );
  const mcp = `${running.url}/mcp`;
  const client = await LegacyClient.open(mcp);
  const stream = await client.stream();
  const type = { "content-type": "application/json", accept: "text/event-stream" };
  const known = { ...type, "mcp-session-id": client.id };
  const post = (url: string, headers: Record<string, string>, message: unknown) =>
    sendRequest(url, { headers, body: JSON.stringify(message) });
  const ping = { jsonrpc: "2.0", id: 1, method: "ping" };
  const params = { name: "up__t", arguments: { region: "north" } };
  const refusals: [string, () => Promise<{ whole(): Promise<unknown> }>][] = [
    ["mirrored arguments", () => modern(mcp, "tools/call", params)],
    ["no session", () => post(mcp, type, ping)],
    ["an unknown session", () => post(mcp, { ...type, "mcp-session-id": "x" }, ping)],
    [
      "an unknown revision",
      () => post(mcp, { ...known, "mcp-protocol-version": "2020-01-01" }, ping),
    ],
    ["a batch", () => client.post([ping])],
    ["an unknown method", () => client.request("none")],
    ["a GET that takes no events", () => sendRequest(mcp, { method: "GET" })],
    ["an event id of another", () => client.stream("x")],
    ["one session too many", () => post(mcp, type, { ...ping, method: "initialize" })],
    ["a message without its stream", () => post(`${running.url}/messages?sessionId=x`, type, ping)],
    ["another type", () => post(mcp, { "content-type": "text/plain" }, ping)],
    ["a large body", () => post(mcp, type, "x".repeat(2_000))],
  ];
  for (const [what, send] of refusals) {
    const before = await refused(running);
    await (await send()).whole();
    expect([what, (await refused(running)) - before]).toEqual([what, 1]);
  }
  stream.leave();
});
