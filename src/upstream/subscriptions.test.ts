import type { ServerResponse } from "node:http";
import { expect, onTestFinished, test, vi } from "vitest";
import { silentLog, systemClock } from "../foundation/index.ts";
import { isJsonObject, type JsonObject } from "../protocol/index.ts";
import { modernMeta } from "./era-probe.ts";
import { report, subscriptionsOf, type Subscriptions } from "./subscriptions.ts";
import {
  discovery,
  event,
  events,
  fakeContext,
  fakeDeps,
  fakeHttpServer,
  HeardLane,
  json,
  type FakeHttpServer,
} from "./transports/fake-http-server.ts";
import { open } from "./transports/streamable-http.ts";

/** One listen as the server sees it. */
interface Listen {
  readonly filter: JsonObject;
  readonly response: ServerResponse;
  acknowledge(): void;
  say(method: string, params?: JsonObject): void;
}

interface Scene {
  peer: FakeHttpServer;
  listens: Listen[];
  heard: string[];
  subscriptions: Subscriptions;
}

const everything = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
};

async function scene(
  capabilities: JsonObject = everything,
  onListen: (listen: Listen) => void = (listen) => listen.acknowledge(),
): Promise<Scene> {
  const listens: Listen[] = [];
  const heard: string[] = [];
  const peer = await fakeHttpServer((request, response) => {
    if (discovery(request, response, capabilities)) return;
    const { params, id } = request.message;
    const filter = isJsonObject(params) ? params["notifications"] : undefined;
    const say = (method: string, more: JsonObject = {}): void => {
      const meta = { "io.modelcontextprotocol/subscriptionId": id };
      event(response, { jsonrpc: "2.0", method, params: { _meta: meta, ...more } });
    };
    const acknowledge = (): void => {
      events(response);
      say("notifications/subscriptions/acknowledged", { notifications: filter });
    };
    const listen = { filter: isJsonObject(filter) ? filter : {}, response, acknowledge, say };
    listens.push(listen);
    onListen(listen);
  });
  onTestFinished(() => peer.close());
  const options = { url: peer.url, protocol_era: "modern" } as const;
  const lane = await open(options, fakeContext, new HeardLane(), fakeDeps());
  onTestFinished(() => lane.close());
  const subscriptions = subscriptionsOf({
    lane,
    meta: modernMeta(fakeContext),
    listener: {
      listChanged: (kind) => heard.push(kind),
      resourceUpdated: (uri) => heard.push(uri),
    },
    log: silentLog,
    clock: systemClock,
    serverName: "peer",
  });
  onTestFinished(() => subscriptions.stop());
  return { peer, listens, heard, subscriptions };
}

test("one listen names what the server can report, and passes it on", async () => {
  const { listens, heard } = await scene();
  await vi.waitFor(() => expect(listens).toHaveLength(1));
  expect(listens[0]?.filter).toEqual({
    toolsListChanged: true,
    promptsListChanged: true,
    resourcesListChanged: true,
  });
  listens[0]?.say("notifications/prompts/list_changed");
  listens[0]?.say("notifications/resources/updated", { uri: "x:1" });
  await vi.waitFor(() => expect(heard).toEqual(["prompts", "x:1"]));
});

test("nothing is listened for where the server reports nothing", async () => {
  const { peer, subscriptions } = await scene({ tools: {}, resources: {} });
  void subscriptions.watch(new Set(["x:1"]));
  expect(peer.calls("subscriptions/listen")).toHaveLength(0);
});

test("a changed wish opens a second listen, and ends the first once that is acknowledged", async () => {
  let hold = false;
  const { listens, peer, subscriptions } = await scene(everything, (listen) => {
    if (!hold) listen.acknowledge();
  });
  await vi.waitFor(() => expect(listens).toHaveLength(1));
  hold = true;
  // The first must be acknowledged on our side before another can replace it.
  await vi.waitFor(() => {
    void subscriptions.watch(new Set(["x:1"]));
    expect(listens).toHaveLength(2);
  });
  expect(listens[1]?.filter["resourceSubscriptions"]).toEqual(["x:1"]);
  expect(listens[0]?.response.destroyed).toBe(false);
  void subscriptions.watch(new Set(["x:1", "x:2"]));
  void subscriptions.watch(new Set(["x:2"]));
  hold = false;
  listens[1]?.acknowledge();
  await vi.waitFor(() => expect(listens).toHaveLength(3));
  expect(listens[2]?.filter["resourceSubscriptions"]).toEqual(["x:2"]);
  await vi.waitFor(() => expect(listens[1]?.response.destroyed).toBe(true));
  expect(listens[0]?.response.destroyed).toBe(true);
  expect(listens[2]?.response.destroyed).toBe(false);
  expect(peer.calls("subscriptions/listen")).toHaveLength(3);
});

test("a broken listen is opened again, and all that may have changed meanwhile is reported", async () => {
  const { listens, heard, subscriptions } = await scene();
  void subscriptions.watch(new Set(["x:1"]));
  await vi.waitFor(() => expect(listens).toHaveLength(2));
  await vi.waitFor(() => expect(listens[0]?.response.destroyed).toBe(true));
  expect(heard).toEqual([]);
  listens[1]?.response.destroy();
  await vi.waitFor(() => expect(listens).toHaveLength(3), { timeout: 5000 });
  await vi.waitFor(() => expect(heard).toEqual(["tools", "prompts", "resources", "x:1"]));
});

test("a listen that the server ends well is opened again too", async () => {
  const { listens } = await scene(everything, (listen) => listen.acknowledge());
  await vi.waitFor(() => expect(listens).toHaveLength(1));
  listens[0]?.response.end();
  await vi.waitFor(() => expect(listens).toHaveLength(2), { timeout: 5000 });
});

test("a server that has no listen is not asked again", async () => {
  const { listens, peer } = await scene(everything, ({ response }) => {
    const id = peer.calls("subscriptions/listen").at(-1)?.message["id"];
    json(response, { jsonrpc: "2.0", id, error: { code: -32601, message: "no" } }, 404);
  });
  await vi.waitFor(() => expect(listens).toHaveLength(1));
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(listens).toHaveLength(1);
});

test("a report is known by its method and by nothing that only sounds like one", () => {
  const heard: unknown[] = [];
  const listener = {
    listChanged: (kind: unknown) => heard.push(kind),
    resourceUpdated: (uri: unknown) => heard.push(uri),
  };
  for (const method of ["constructor", "__proto__", "toString", "notifications/none"]) {
    expect(report({ jsonrpc: "2.0", method }, listener)).toBe(false);
  }
  const changed = { jsonrpc: "2.0", method: "notifications/tools/list_changed" } as const;
  expect([report(changed, listener), heard]).toEqual([true, ["tools"]]);
});
