import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { OutboundClient } from "./outbound-client.ts";

interface Seen {
  readonly method: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  readonly port: number | undefined;
}

async function listenLocally(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function vendor(status = 200, headers: Record<string, string> = {}) {
  const seen: Seen[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request);
    const { method, headers: sent, socket } = request;
    seen.push({ method, headers: sent, body, port: socket.remotePort });
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(status === 204 ? undefined : '{"ok":true}');
  };
  const server = createServer((request, response) => void answer(request, response));
  const port = await listenLocally(server);
  onTestFinished(() => void server.close());
  return { seen, port, url: `http://127.0.0.1:${port}` };
}

function client(problemOf: (url: URL, address: string) => string | undefined = () => undefined) {
  const judged: string[] = [];
  const made = new OutboundClient({
    problemOfUrl: (url) => (url.username === "" ? undefined : "it carries a user name"),
    problemOfAddress: (url, address) => {
      judged.push(`${url.origin} ${address}`);
      return problemOf(url, address);
    },
    connectTimeoutMs: 5_000,
    connectionsMax: 1,
  });
  onTestFinished(() => made.close());
  return { client: made, judged };
}

const private4 = (_url: URL, address: string): string | undefined =>
  address.startsWith("127.") || address === "::1"
    ? `${address} is not a public address`
    : undefined;

test("what the operator named is reached, wherever it is, over a kept connection", async () => {
  const { url, seen } = await vendor();
  const { client: outbound, judged } = client(private4);
  const fetch = outbound.fetchFor([url]);
  for (let n = 0; n < 2; n++) {
    const answer = await fetch(`${url}/a`, { method: "POST", body: "x", headers: { "x-a": "1" } });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ ok: true });
  }
  expect(seen[0]).toMatchObject({ method: "POST", body: "x", headers: { "x-a": "1" } });
  expect(seen[1]?.port).toBe(seen[0]?.port);
  expect(judged).toEqual([]);
});

test("what nobody named is judged by its address, whether it is written or looked up", async () => {
  const { port, seen } = await vendor();
  const { client: outbound } = client(private4);
  const fetch = outbound.fetchFor(["https://api.example.com"]);
  const written = fetch(`http://127.0.0.1:${port}/`);
  await expect(written).rejects.toMatchObject({ code: "OUTBOUND_REFUSED" });
  const named = await fetch(`http://localhost:${port}/`).catch((error: unknown) => error);
  expect(named).toMatchObject({ cause: { code: "OUTBOUND_REFUSED" } });
  await expect(fetch("http://u@example.com/")).rejects.toMatchObject({ code: "OUTBOUND_REFUSED" });
  await expect(fetch("no address")).rejects.toMatchObject({ code: "OUTBOUND_REFUSED" });
  expect(seen).toEqual([]);
});

test("what is judged to be harmless is reached", async () => {
  const { port } = await vendor();
  const { client: outbound, judged } = client();
  const answer = await outbound.fetchFor([])(`http://localhost:${port}/`);
  expect(await answer.json()).toEqual({ ok: true });
  expect(judged.length).toBeGreaterThan(0);
});

test("a redirect is told, not followed; an answer without a body has none", async () => {
  const { url, seen } = await vendor(302, { location: "http://127.0.0.1:1/" });
  const { client: outbound } = client();
  const answer = await outbound.fetchFor([url])(url);
  expect([answer.status, answer.headers.get("location")]).toEqual([302, "http://127.0.0.1:1/"]);
  expect(seen).toHaveLength(1);
  const empty = await vendor(204);
  expect(await (await outbound.fetchFor([empty.url])(empty.url)).text()).toBe("");
});

test("forms and bytes arrive as they are", async () => {
  const { url, seen } = await vendor();
  const fetch = client().client.fetchFor([url]);
  const form = new FormData();
  form.append("file", new Blob(["content"]), "clip.mp4");
  await fetch(url, { method: "POST", body: form });
  await fetch(url, { method: "PUT", body: new Uint8Array([104, 105]) });
  expect(seen[0]?.headers["content-type"]).toMatch(/^multipart\/form-data; boundary=/);
  expect(seen[0]?.body).toContain('filename="clip.mp4"');
  expect(seen[1]?.body).toBe("hi");
});

test("a caller who gives up ends the request", async () => {
  const server = createServer(() => {});
  const port = await listenLocally(server);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${port}`;
  const abort = new AbortController();
  const asked = client().client.fetchFor([url])(url, { signal: abort.signal });
  abort.abort(new Error("gone"));
  await expect(asked).rejects.toThrow("gone");
});
