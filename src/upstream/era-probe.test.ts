import { describe, expect, onTestFinished, test } from "vitest";
import { isSignalboxError, manualClock } from "../foundation/index.ts";
import { isFresh } from "./era-verdict.ts";
import type { Lane } from "./lane.ts";
import {
  discovery,
  event,
  events,
  fakeContext,
  fakeDeps,
  fakeHttpServer,
  handshake,
  HeardLane,
  json,
  type FakeHttpServer,
} from "./transports/fake-http-server.ts";
import { HttpEndpoint } from "./transports/http-endpoint.ts";
import { open } from "./transports/streamable-http.ts";

type Handle = Parameters<typeof fakeHttpServer>[0];

/** A server that answers `server/discover` as `probed` says, and does the legacy handshake if it may. */
async function server(probed: Handle, legacy = true): Promise<FakeHttpServer> {
  const peer = await fakeHttpServer((request, response) => {
    if (request.message["method"] === "server/discover") return probed(request, response);
    if (legacy && handshake(request, response)) return undefined;
    response.writeHead(404).end();
    return undefined;
  });
  onTestFinished(() => peer.close());
  return peer;
}

function endpointTo(peer: FakeHttpServer, clock = fakeDeps().clock): HttpEndpoint {
  const endpoint = new HttpEndpoint({ url: peer.url, clock, connectTimeoutMs: 1000 });
  onTestFinished(() => endpoint.close());
  return endpoint;
}

async function openAt(
  endpoint: HttpEndpoint,
  era: "auto" | "modern" | "legacy" = "auto",
): Promise<Lane> {
  const deps = fakeDeps({ endpoint, connectTimeoutMs: 300, clock: endpoint.clock });
  const lane = await open({ protocol_era: era }, fakeContext, new HeardLane(), deps);
  onTestFinished(() => lane.close());
  return lane;
}

async function codeOf(opening: Promise<Lane>): Promise<string> {
  try {
    await opening;
    return "opened";
  } catch (error) {
    return isSignalboxError(error) ? error.code : String(error);
  }
}

const rpcError =
  (status: number, code: number, data?: unknown): Handle =>
  (request, response) =>
    json(
      response,
      { jsonrpc: "2.0", id: request.message["id"], error: { code, message: "no", data } },
      status,
    );

describe("a server is modern", () => {
  test.each<[string, Handle]>([
    ["it answers server/discover", (request, response) => void discovery(request, response)],
    [
      "it answers with an event stream",
      (request, response) => {
        events(response);
        event(response, { jsonrpc: "2.0", method: "notifications/message", params: {} });
        const result = { supportedVersions: ["2026-07-28", "2025-11-25"], capabilities: {} };
        event(response, { jsonrpc: "2.0", id: request.message["id"], result });
      },
    ],
    ["it finds fault with a header, as only a modern one does", rpcError(400, -32020)],
    ["it misses a capability", rpcError(400, -32021, { requiredCapabilities: {} })],
  ])("where %s", async (_why, probed) => {
    const peer = await server(probed);
    const endpoint = endpointTo(peer);
    expect((await openAt(endpoint)).era).toBe("modern");
    expect((await openAt(endpoint)).era).toBe("modern");
    expect(peer.calls("server/discover")).toHaveLength(1);
    expect(endpoint.verdict).toMatchObject({ era: "modern" });
    expect(peer.calls("initialize")).toHaveLength(0);
  });

  test("and its name is read from where it is now and from where betas had it", async () => {
    const capabilities = { tools: { listChanged: true }, extensions: { "x/y": {} } };
    const peer = await server((request, response) => {
      const serverInfo = { name: "beta", version: "0" };
      const result = {
        supportedVersions: ["2026-07-28"],
        capabilities,
        serverInfo,
        instructions: "i",
      };
      json(response, { jsonrpc: "2.0", id: request.message["id"], result });
    });
    const lane = await openAt(endpointTo(peer));
    expect(lane).toMatchObject({ capabilities, serverInfo: { name: "beta" }, instructions: "i" });
  });
});

describe("a server is legacy", () => {
  test.each<[string, Handle]>([
    ["it refuses with 400 and its own code", rpcError(400, -32000)],
    ["it does not know the method", rpcError(404, -32601)],
    ["it answers an error in a 200", rpcError(200, -32601)],
    ["it says 405 without a body", (_request, response) => void response.writeHead(405).end()],
    [
      "it says 400 with a web page",
      (_request, response) => void response.writeHead(400).end("<p>"),
    ],
    ["it answers 200 with something else", (_request, response) => json(response, { hello: 1 })],
    ["it accepts with 202", (_request, response) => void response.writeHead(202).end()],
    ["it names legacy revisions", rpcError(400, -32022, { supported: ["2025-11-25"] })],
    ["it names them as betas did", rpcError(400, -32004, { supported: ["2025-06-18"] })],
  ])("where %s", async (_why, probed) => {
    const peer = await server(probed);
    const endpoint = endpointTo(peer);
    expect((await openAt(endpoint)).era).toBe("legacy");
    expect((await openAt(endpoint)).era).toBe("legacy");
    expect(peer.calls("server/discover")).toHaveLength(1);
    expect(endpoint.verdict).toMatchObject({ era: "legacy", provisional: false });
  });
});

describe("nothing is proven", () => {
  test.each<[string, Handle]>([
    ["401, though only to the probe", (_request, response) => void response.writeHead(401).end()],
    ["403, though only to the probe", (_request, response) => void response.writeHead(403).end()],
    ["503", (_request, response) => void response.writeHead(503).end()],
    ["429", (_request, response) => void response.writeHead(429).end()],
    ["silence", () => undefined],
    ["a connection that is closed", (_request, response) => void response.destroy()],
  ])("by %s: initialize decides, for a while", async (_what, probed) => {
    const clock = manualClock(1_000_000);
    const peer = await server(probed);
    const endpoint = new HttpEndpoint({
      url: peer.url,
      clock: fakeDeps().clock,
      connectTimeoutMs: 1000,
    });
    onTestFinished(() => endpoint.close());
    expect((await openAt(endpoint)).era).toBe("legacy");
    expect(endpoint.verdict).toMatchObject({ era: "legacy", provisional: true });
    const at = clock.now();
    const verdict = { era: "legacy", at, provisional: true } as const;
    expect(isFresh(verdict, at + 9 * 60_000)).toBe(true);
    expect(isFresh(verdict, at + 11 * 60_000)).toBe(false);
    expect(isFresh({ ...verdict, provisional: false }, at + 23 * 3_600_000)).toBe(true);
    expect(isFresh({ ...verdict, provisional: false }, at + 25 * 3_600_000)).toBe(false);
  });

  test("by 401 to everything: the credentials are refused", async () => {
    const peer = await fakeHttpServer((_request, response) => void response.writeHead(401).end());
    onTestFinished(() => peer.close());
    const endpoint = endpointTo(peer);
    expect(await codeOf(openAt(endpoint))).toBe("SERVER_UNAUTHORIZED");
    expect(endpoint.verdict).toBeUndefined();
  });
});

describe("the era", () => {
  test("is not asked for where it is pinned", async () => {
    const peer = await server((request, response) => void discovery(request, response));
    const lane = await openAt(endpointTo(peer), "legacy");
    expect(lane.era).toBe("legacy");
    expect(peer.calls("server/discover")).toHaveLength(0);
  });

  test("that is pinned to modern is refused by a server that does not speak it", async () => {
    const peer = await server(rpcError(404, -32601));
    expect(await codeOf(openAt(endpointTo(peer), "modern"))).toBe("SERVER_REFUSED");
    expect(peer.calls("initialize")).toHaveLength(0);
  });

  test("that the gateway does not know is refused, naming what the server speaks", async () => {
    const peer = await server(rpcError(400, -32022, { supported: ["2031-01-01"] }));
    await expect(openAt(endpointTo(peer))).rejects.toThrow("2031-01-01");
  });

  test("is asked for again where initialize is refused", async () => {
    let modern = false;
    const peer = await fakeHttpServer((request, response) => {
      if (modern && discovery(request, response)) return;
      if (!modern && handshake(request, response)) return;
      response.writeHead(modern ? 400 : 404).end();
    });
    onTestFinished(() => peer.close());
    const endpoint = endpointTo(peer);
    expect((await openAt(endpoint)).era).toBe("legacy");
    modern = true;
    expect(await codeOf(openAt(endpoint))).toBe("SERVER_REFUSED");
    expect((await openAt(endpoint)).era).toBe("modern");
  });
});
