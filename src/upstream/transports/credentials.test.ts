// What requests to a server that takes tokens carry, whichever way they go.
import { expect, onTestFinished, test } from "vitest";
import { SignalboxError } from "../../foundation/index.ts";
import type { CredentialRefusal, Credentials } from "../credentials.ts";
import type { Lane, OutboundRequest } from "../lane.ts";
import {
  discovery,
  event,
  events,
  fakeContext,
  fakeDeps,
  fakeHttpServer,
  handshake,
  Heard,
  HeardLane,
  json,
  type FakeHttpServer,
  type Received,
} from "./fake-http-server.ts";
import { open as openHttpSse } from "./http-sse.ts";
import { open } from "./streamable-http.ts";

/** Credentials that give `tokens` one after the other, a new one whenever one is refused. */
class Purse implements Credentials {
  readonly refusals: CredentialRefusal[] = [];
  readonly asked: (string | undefined)[] = [];
  readonly #tokens: string[];
  #at = 0;
  #isAtHand: boolean;

  constructor(tokens: string[], isAtHand = true) {
    this.#tokens = tokens;
    this.#isAtHand = isAtHand;
  }

  now(subject: string | undefined): string | undefined {
    this.asked.push(subject);
    return this.#isAtHand ? this.#tokens[this.#at] : undefined;
  }

  async get(subject: string | undefined): Promise<string> {
    await Promise.resolve();
    this.#isAtHand = true;
    return this.now(subject) ?? "";
  }

  async refused(refusal: CredentialRefusal): Promise<string> {
    await Promise.resolve();
    this.refusals.push(refusal);
    const next = this.#tokens[++this.#at];
    if (next !== undefined) return next;
    throw new SignalboxError("CONSENT_NEEDED", "Nobody has consented.");
  }
}

const CHALLENGE = 'Bearer error="invalid_token", resource_metadata="https://s.example/m"';

/** Takes only the tokens of `good`, for everything. */
async function guarded(good: string[], era: "modern" | "legacy"): Promise<FakeHttpServer> {
  const peer = await fakeHttpServer((request, response) => {
    if (!good.includes(request.headers.authorization ?? "")) {
      json(response, {}, 401, { "www-authenticate": CHALLENGE });
      return;
    }
    if (era === "modern" && discovery(request, response)) return;
    if (era === "legacy" && handshake(request, response, { session: "s" })) return;
    if (request.message["id"] === undefined) response.writeHead(202).end();
    else answered(request, response);
  });
  onTestFinished(() => peer.close());
  return peer;
}

function answered({ message }: Received, response: Parameters<typeof json>[0]): void {
  json(response, { jsonrpc: "2.0", id: message["id"], result: { resultType: "complete" } });
}

async function laneTo(peer: FakeHttpServer, of: Credentials, shared = true): Promise<Lane> {
  const context = { ...fakeContext, shared, credentials: { of, subject: undefined } };
  const lane = await open({ url: peer.url }, context, new HeardLane(), fakeDeps());
  onTestFinished(() => lane.close());
  return lane;
}

function call(subject?: string): OutboundRequest {
  const message = { jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: "a" } } as const;
  return { message, timeoutMs: 5000, ...(subject !== undefined && { subject }) };
}

test.each(["modern", "legacy"] as const)(
  "every request to a %s server carries the token, the first one included",
  async (era) => {
    const peer = await guarded(["Bearer one"], era);
    const lane = await laneTo(peer, new Purse(["Bearer one"], false));
    expect(lane.era).toBe(era);
    const heard = new Heard();
    lane.send(call(), heard);
    expect(await heard.json).toMatchObject({ id: 7 });
    await lane.close();
    const tokens = peer.received.map(({ headers }) => headers.authorization);
    expect(new Set(tokens)).toEqual(new Set(["Bearer one"]));
  },
);

test("a call carries the token of whom it is for, and not the lane's", async () => {
  const peer = await guarded(["Bearer own"], "modern");
  const purse = new Purse(["Bearer own"]);
  const lane = await laneTo(peer, purse);
  const heard = new Heard();
  lane.send(call("alice"), heard);
  await heard.json;
  expect(purse.asked).toEqual([undefined, "alice"]);
});

test("a refused token is replaced once by another one, and the call is sent again", async () => {
  const peer = await guarded(["Bearer two", "Bearer first"], "modern");
  const lane = await laneTo(peer, new Purse(["Bearer first"]));
  expect(lane.era).toBe("modern");
  const old = new Purse(["Bearer old", "Bearer two"]);
  const again = await laneTo(peer, new Purse(["Bearer two"]));
  await again.close();
  const context = { ...fakeContext, credentials: { of: old, subject: undefined } };
  const third = await open(
    { url: peer.url, protocol_era: "modern" },
    context,
    new HeardLane(),
    fakeDeps(),
  );
  onTestFinished(() => third.close());
  const heard = new Heard();
  third.send(call("bob"), heard);
  expect(await heard.json).toMatchObject({ id: 7 });
  expect(old.refusals).toMatchObject([{ used: "Bearer old", status: 401, challenge: CHALLENGE }]);
});

test("a call is not sent a third time, and fails as what the credentials say", async () => {
  const good = ["Bearer good"];
  const peer = await guarded(good, "modern");
  const purse = new Purse(["Bearer good", "Bearer bad", "Bearer worse", "Bearer never"]);
  const lane = await laneTo(peer, purse);
  good.length = 0;
  const heard = new Heard();
  lane.send(call("eve"), heard);
  expect(await heard.failure).toMatchObject({ code: "SERVER_UNAUTHORIZED" });
  expect(purse.refusals).toHaveLength(2);
  const poor = new Purse(["Bearer none"]);
  const context = { ...fakeContext, credentials: { of: poor, subject: undefined } };
  const refused = open({ url: peer.url }, context, new HeardLane(), fakeDeps());
  await expect(refused).rejects.toMatchObject({ code: "CONSENT_NEEDED" });
});

test("a refusal for missing scopes asks for another token, any other 403 does not", async () => {
  let challenge: string | undefined = 'Bearer error="insufficient_scope", scope="write"';
  const peer = await fakeHttpServer((request, response) => {
    if (discovery(request, response)) return;
    if (request.headers.authorization === "Bearer wide") answered(request, response);
    else json(response, {}, 403, challenge === undefined ? {} : { "www-authenticate": challenge });
  });
  onTestFinished(() => peer.close());
  const purse = new Purse(["Bearer narrow", "Bearer wide"]);
  const lane = await laneTo(peer, purse);
  const heard = new Heard();
  lane.send(call(), heard);
  expect(await heard.json).toMatchObject({ id: 7 });
  expect(purse.refusals).toMatchObject([{ status: 403, challenge }]);
  challenge = undefined;
  const other = await laneTo(peer, new Purse(["Bearer narrow", "Bearer wide"]));
  const refused = new Heard();
  other.send(call(), refused);
  expect(await refused.failure).toMatchObject({ code: "SERVER_UNAUTHORIZED" });
});

test("HTTP+SSE carries the token on its stream and its messages, and another one after a refusal", async () => {
  let stream: Parameters<typeof events>[0] | undefined;
  const peer = await fakeHttpServer((request, response) => {
    if (request.headers.authorization !== "Bearer two") {
      json(response, {}, 401, { "www-authenticate": CHALLENGE });
      return;
    }
    if (request.method === "GET") {
      stream = response;
      events(response);
      response.write("event: endpoint\ndata: /messages\n\n");
      return;
    }
    response.writeHead(202).end();
    const { id, method } = request.message;
    const result =
      method === "initialize"
        ? { protocolVersion: "2024-11-05", capabilities: {}, serverInfo: {} }
        : {};
    if (id !== undefined && stream !== undefined) event(stream, { jsonrpc: "2.0", id, result });
  });
  onTestFinished(() => peer.close());
  const purse = new Purse(["Bearer one", "Bearer two"]);
  const context = { ...fakeContext, credentials: { of: purse, subject: undefined } };
  const lane = await openHttpSse({ url: peer.url }, context, new HeardLane(), fakeDeps());
  onTestFinished(() => lane.close());
  const heard = new Heard();
  lane.send(call(), heard);
  expect(await heard.json).toMatchObject({ id: 7 });
  expect(purse.refusals).toHaveLength(1);
});

test("a server that asks for OAuth and has no options for it is told how", async () => {
  const peer = await guarded([], "modern");
  const lane = open({ url: peer.url }, fakeContext, new HeardLane(), fakeDeps());
  await expect(lane).rejects.toThrow(/give it an oauth section/);
});
