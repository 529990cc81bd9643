// What a principal may not use is not there for it, on every way into the gateway, and says so to the operator alone.
import { defineService, defineTool } from "@signalbox/kit";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import {
  hashKey,
  type KeyRecord,
  type Principal,
  type RoleOptions,
  type Rule,
} from "../access/index.ts";
import { META, type JsonObject } from "../protocol/index.ts";
import {
  discovery,
  event,
  events,
  fakeHttpServer,
  json,
} from "../upstream/transports/fake-http-server.ts";
import {
  LegacyClient,
  builtin,
  bundle,
  each,
  inside,
  keyRecord,
  modern,
  principalNamed,
  remote,
  serviceOf,
  start,
  until,
  type Answer,
} from "./running-gateway.ts";

const files = builtin(serviceOf("files", "read", "write"));
const mail = builtin(serviceOf("mail", "send"));
const key = (name: string, more: Partial<KeyRecord> = {}): KeyRecord =>
  keyRecord(name, hashKey(name), more);
const ann = key("ann");
const bob = key("bob", { role: "reader" });
const closed = { authRequired: true };

const rolesOf = (
  rules: Rule[],
  scopes: RoleOptions["scopes"] = ["call"],
): Map<string, RoleOptions> => new Map([["reader", { scopes, rules }]]);
const onlyRead: Rule[] = [{ effect: "allow", tools: ["files__read"] }];

async function toolNames(url: string, as: string): Promise<unknown[]> {
  const answer = await modern(url, "tools/list", {}, { key: as });
  return each((await answer.whole()).result["tools"], "name");
}

const call = async (url: string, name: string, as: string): Promise<Answer> =>
  await (await modern(url, "tools/call", { name, arguments: {} }, { key: as })).whole();

describe("a tool that is hidden", () => {
  test("is not listed, and answered like one that does not exist", async () => {
    const configuration = { servers: [files, mail], keys: [ann, bob], roles: rolesOf(onlyRead) };
    const { url } = await start(configuration, closed);
    expect(await toolNames(`${url}/mcp`, "ann")).toEqual([
      "files__read",
      "files__write",
      "mail__send",
    ]);
    expect(await toolNames(`${url}/mcp`, "bob")).toEqual(["files__read"]);
    expect(
      inside((await call(`${url}/mcp`, "files__read", "bob")).result, "content", 0, "text"),
    ).toBe("files read");
    for (const [hidden, unknown] of [
      ["files__write", "files__wrote"],
      ["mail__send", "mall__send"],
    ] as const) {
      const [one, other] = [
        await call(`${url}/mcp`, hidden, "bob"),
        await call(`${url}/mcp`, unknown, "bob"),
      ];
      const told = (answer: Answer, name: string): string =>
        answer.text.replaceAll(name, "NAME").replaceAll(/"requestId":"[^"]+"/g, "ID");
      expect(told(one, hidden)).toBe(told(other, unknown));
      expect(one.status).toBe(other.status);
    }
  });

  test("is told to the audit trail and counted when somebody tries it, an unknown one is not", async () => {
    const configuration = { servers: [files, mail], keys: [bob], roles: rolesOf(onlyRead) };
    const { url, audited, metrics } = await start(configuration, closed);
    await call(`${url}/mcp`, "files__read", "bob");
    await call(`${url}/mcp`, "files__wrote", "bob");
    expect(audited).toEqual([]);
    await call(`${url}/mcp`, "mail__send", "bob");
    expect(audited).toMatchObject([
      {
        action: "access.deny",
        actor: { id: "id-bob", name: "bob", kind: "key" },
        target: "tool:mail__send",
        project: "default",
        outcome: "denied",
        code: "TOOL_NOT_FOUND",
        details: { role: "reader", scope: "call" },
      },
    ]);
    expect(await metrics.render()).toContain('mcp_authz_denied_total{scope="call"} 1');
  });

  test("is hidden from sessions and from the catalog of the API, too", async () => {
    const configuration = { servers: [files, mail], keys: [bob], roles: rolesOf(onlyRead) };
    const { url, gateway } = await start(configuration, closed);
    const client = await LegacyClient.open(`${url}/mcp`, { key: "bob" });
    const listed = await (await client.request("tools/list")).whole();
    expect(each(listed.result["tools"], "name")).toEqual(["files__read"]);
    const refused = await (await client.request("tools/call", { name: "mail__send" })).whole();
    expect(refused.error).toMatchObject({ message: "Unknown tool: mail__send" });
    const holder = gateway.keyHolder("id-bob");
    if (holder?.ok !== true) throw new Error("the key is on record");
    expect((await gateway.catalog(holder.principal))?.tools).toMatchObject([
      { name: "files__read" },
    ]);
    expect(["files", "mail"].map((name) => gateway.sees(holder.principal, name))).toEqual([
      true,
      false,
    ]);
  });
});

test("an endpoint that a key may not use is a refusal that is told and counted", async () => {
  const keys = [key("carl", { bundles: ["some"] }), key("dora", { role: "auditor" })];
  const { url, audited } = await start(
    { servers: [files], keys, bundles: [bundle("some")] },
    closed,
  );
  expect((await modern(`${url}/mcp`, "tools/list", {}, { key: "carl" })).status).toBe(403);
  expect((await modern(`${url}/mcp/some`, "tools/list", {}, { key: "dora" })).status).toBe(403);
  expect(audited).toMatchObject([
    { target: "endpoint:/mcp", code: "FORBIDDEN", address: expect.stringContaining("127.0.0.1") },
    { target: "bundle:some", code: "FORBIDDEN", actor: { name: "dora" } },
  ]);
});

describe("a project", () => {
  const ledger = {
    ...remote("ledger", "http://127.0.0.1:9/mcp"),
    options: { url: "http://127.0.0.1:9/mcp", project: "payments" },
  };

  test("has its own servers, bundles and the built-in services", async () => {
    const pay = key("pay", { project: "payments" });
    const all = key("all", { project: "*" });
    const bundles = [bundle("books", { project: "payments" }), bundle("plain")];
    const servers = [files, ledger];
    const { url, gateway } = await start({ servers, bundles, keys: [ann, pay, all] }, closed);
    const statusOf = async (path: string, as: string): Promise<number> =>
      (await modern(`${url}${path}`, "server/discover", {}, { key: as })).status;
    expect(await statusOf("/mcp/books", "pay")).toBe(200);
    expect(await statusOf("/mcp/books", "all")).toBe(200);
    expect(await statusOf("/mcp/books", "ann")).toBe(404);
    expect(await statusOf("/mcp/plain", "pay")).toBe(404);
    expect(await statusOf("/mcp/plain", "ann")).toBe(200);
    const seen = (id: string, project: string): string[] =>
      ["files", "ledger"].filter((name) => gateway.sees(principalNamed(id, { project }), name));
    expect(seen("ann", "default")).toEqual(["files"]);
    expect(seen("pay", "payments")).toEqual(["files", "ledger"]);
  });

  test("that is another's does not show in what is missing from a list", async () => {
    const { url } = await start({ servers: [files, ledger], keys: [ann] }, closed);
    const answer = await (await modern(`${url}/mcp`, "tools/list", {}, { key: "ann" })).whole();
    expect(answer.text).not.toContain("ledger");
  });
});

describe("when a role changes", () => {
  test("sessions and streams go on with what is left of it, and hear that their lists changed", async () => {
    const configuration = { servers: [files, mail], keys: [bob] };
    const all = rolesOf([{ effect: "allow" }]);
    const { url, apply } = await start({ ...configuration, roles: all }, closed);
    const client = await LegacyClient.open(`${url}/mcp`, { key: "bob" });
    const stream = await client.stream();
    const listen = await modern(
      `${url}/mcp`,
      "subscriptions/listen",
      { notifications: { toolsListChanged: true } },
      { key: "bob" },
    );
    await listen.until(({ messages }) => messages.length >= 1);
    const names = async (): Promise<unknown[]> =>
      each((await (await client.request("tools/list")).whole()).result["tools"], "name");
    expect(await names()).toHaveLength(3);
    await apply({ ...configuration, roles: rolesOf(onlyRead) });
    await listen.until(({ messages }) => messages.length >= 2);
    await stream.until(({ messages }) =>
      messages.some(({ method }) => method === "notifications/tools/list_changed"),
    );
    expect(listen.messages[1]).toMatchObject({ method: "notifications/tools/list_changed" });
    expect(await names()).toEqual(["files__read"]);
    const refused = await (await client.request("tools/call", { name: "mail__send" })).whole();
    expect(refused.error).toMatchObject({ message: "Unknown tool: mail__send" });
  });

  test("to one that may not call, they end", async () => {
    const configuration = { servers: [files], keys: [bob] };
    const { url, apply } = await start(
      { ...configuration, roles: rolesOf([{ effect: "allow" }]) },
      closed,
    );
    const client = await LegacyClient.open(`${url}/mcp`, { key: "bob" });
    const stream = await client.stream();
    const listen = await modern(
      `${url}/mcp`,
      "subscriptions/listen",
      { notifications: {} },
      { key: "bob", id: "l" },
    );
    await apply({ ...configuration, roles: rolesOf([{ effect: "allow" }], ["read"]) });
    await listen.whole();
    expect(listen.response).toMatchObject({ result: { _meta: { [META.subscriptionId]: "l" } } });
    expect((await stream.whole()).ended).toBe(true);
    expect((await client.request("ping")).status).toBe(403);
  });
});

describe("resources, prompts and completion", () => {
  const rules: Rule[] = [
    { effect: "allow" },
    { effect: "deny", resources: ["file:///secret*"] },
    { effect: "deny", prompts: ["hidden"] },
  ];

  async function library(): Promise<{
    url: string;
    asked: string[];
    watched: unknown[];
    update: (uri: string) => void;
  }> {
    const asked: string[] = [];
    const watched: unknown[] = [];
    let subscription: unknown;
    let stream: Parameters<typeof event>[0] | undefined;
    const peer = await fakeHttpServer((request, response) => {
      const { id, method, params } = request.message;
      if (
        discovery(request, response, {
          prompts: {},
          resources: { subscribe: true },
          completions: {},
        })
      )
        return;
      if (method === "subscriptions/listen") {
        stream = response;
        subscription = id;
        watched.push(inside(params, "notifications", "resourceSubscriptions"));
        events(response);
        event(response, {
          jsonrpc: "2.0",
          method: "notifications/subscriptions/acknowledged",
          params: { notifications: {}, _meta: { [META.subscriptionId]: id } },
        });
        return;
      }
      asked.push(String(method));
      const results: Record<string, JsonObject> = {
        "prompts/list": { prompts: [{ name: "shown" }, { name: "hidden" }] },
        "resources/list": {
          resources: ["file:///open", "file:///secret"].map((uri) => ({ uri, name: uri })),
        },
        "resources/templates/list": { resourceTemplates: [] },
        "tools/list": { tools: [] },
      };
      const other = { contents: [], messages: [], completion: { values: [] }, asked: params };
      json(response, {
        jsonrpc: "2.0",
        id,
        result: { resultType: "complete", ...(results[String(method)] ?? other) },
      });
    });
    const { url } = await start(
      {
        servers: [remote("lib", peer.url, { protocol_era: "modern" })],
        keys: [bob],
        roles: rolesOf(rules),
      },
      closed,
    );
    const update = (uri: string): void => {
      if (stream !== undefined)
        event(stream, {
          jsonrpc: "2.0",
          method: "notifications/resources/updated",
          params: { uri, _meta: { [META.subscriptionId]: subscription } },
        });
    };
    return { url: `${url}/mcp`, asked, watched, update };
  }

  const ask = async (url: string, method: string, params: JsonObject = {}): Promise<Answer> =>
    await (await modern(url, method, params, { key: "bob" })).whole();

  test("follow the same rules", async () => {
    const { url, asked } = await library();
    expect(each((await ask(url, "prompts/list")).result["prompts"], "name")).toEqual([
      "lib__shown",
    ]);
    expect(each((await ask(url, "resources/list")).result["resources"], "uri")).toEqual([
      "signalbox://lib/file:///open",
    ]);
    asked.length = 0;
    const code = async (method: string, params: JsonObject): Promise<unknown> =>
      inside((await ask(url, method, params)).error, "data", "code");
    const argument = { name: "a", value: "b" };
    expect(await code("prompts/get", { name: "lib__hidden" })).toBe("PROMPT_NOT_FOUND");
    for (const uri of ["signalbox://lib/file:///secret", "file:///secret", "file:///%73ecret"]) {
      expect([uri, await code("resources/read", { uri })]).toEqual([uri, "RESOURCE_NOT_FOUND"]);
    }
    const hidden = { type: "ref/prompt", name: "lib__hidden" };
    expect(await code("completion/complete", { ref: hidden, argument })).toBe("PROMPT_NOT_FOUND");
    expect(asked).toEqual([]);
    expect(await code("prompts/get", { name: "lib__shown" })).toBeUndefined();
    expect(await code("resources/read", { uri: "signalbox://lib/file:///open" })).toBeUndefined();
    expect(asked).toEqual(["prompts/get", "resources/read"]);
  });

  test("updates of a hidden resource reach nobody who may not read it", async () => {
    const { url, update, watched } = await library();
    await ask(url, "resources/list");
    const both = ["open", "secret"].map((name) => `signalbox://lib/file:///${name}`);
    const listen = await modern(
      url,
      "subscriptions/listen",
      { notifications: { resourceSubscriptions: both } },
      { key: "bob" },
    );
    await until("the open one alone is watched", () => inside(watched.at(-1), 0) !== undefined);
    expect(watched.at(-1)).toEqual(["file:///open"]);
    await listen.until(({ messages }) => messages.length >= 1);
    update("file:///secret");
    update("file:///open");
    await listen.until(({ messages }) => messages.length >= 2);
    expect(listen.messages[1]).toMatchObject({ params: { uri: "signalbox://lib/file:///open" } });
    listen.leave();
  });
});

describe("why", () => {
  const rules: Rule[] = [
    { effect: "allow", servers: ["files"] },
    { effect: "deny", tools: ["write"] },
  ];

  async function explained(more: Partial<KeyRecord> = {}) {
    const keys = [key("bob", { role: "reader", ...more })];
    const bundles = [bundle("some"), bundle("books", { project: "payments" })];
    const configuration = { servers: [files, mail], bundles, keys, roles: rolesOf(rules) };
    const { gateway } = await start(configuration, closed);
    const holder = gateway.keyHolder("id-bob");
    if (holder?.ok !== true) throw new Error("the key is on record");
    const principal: Principal = holder.principal;
    return (
      kind: "tool" | "server",
      name: string,
      action = "call" as "call" | "manage" | "read",
      at?: string,
    ) => gateway.explain(principal, { kind, name, action, bundle: at });
  }

  test("names the rule that decided", async () => {
    const why = await explained();
    expect(await why("tool", "files__read")).toEqual({
      allowed: true,
      reason: 'Rule 1 of the role "reader" allows it.',
      role: "reader",
      project: "default",
      server: "files",
      rule: { of: "role", place: 1, rule: rules[0] },
    });
    expect(await why("tool", "files__write")).toMatchObject({
      allowed: false,
      reason: 'Rule 2 of the role "reader" denies it.',
    });
    expect(await why("tool", "mail__send")).toMatchObject({
      allowed: false,
      reason: 'No rule of the role "reader" allows it.',
    });
    expect(await why("server", "files")).toMatchObject({ allowed: true });
  });

  test("tells a key's own rules from its role's", async () => {
    const why = await explained({ rules: [{ effect: "allow", tools: ["mail__*"] }] });
    expect(await why("tool", "files__read")).toMatchObject({
      allowed: false,
      reason: "No rule of the key allows it.",
    });
    const other = await explained({ rules: [{ effect: "deny", tools: ["read"] }] });
    expect(await other("tool", "files__read")).toMatchObject({
      reason: "Rule 1 of the key denies it.",
      rule: { of: "key", place: 1 },
    });
  });

  test("comes before the rules where there is no such thing, bundle or scope", async () => {
    const why = await explained();
    const reason = async (...asked: Parameters<typeof why>): Promise<string> =>
      (await why(...asked)).reason;
    expect(await reason("tool", "files__none")).toBe('There is no tool "files__none" here.');
    expect(await reason("server", "none")).toBe('There is no server "none" here.');
    expect(await reason("server", "files", "manage")).toContain('the scope "manage"');
    expect(await reason("tool", "files__read", "read")).toContain('the action is "write"');
    for (const at of ["none", "books"]) {
      expect(await reason("tool", "files__read", "call", at)).toBe(
        `There is no bundle "${at}" in the project "default".`,
      );
    }
    const limited = await explained({ bundles: ["some"] });
    expect((await limited("tool", "files__read")).reason).toBe("The key is limited to /mcp/some.");
    expect((await limited("tool", "files__read", "call", "some")).allowed).toBe(true);
  });

  test("agrees with what may be used of a server", async () => {
    const configuration = { servers: [files, mail], keys: [bob], roles: rolesOf(rules) };
    const { gateway } = await start(configuration, closed);
    const holder = gateway.keyHolder("id-bob");
    if (holder?.ok !== true) throw new Error("the key is on record");
    const may = (server: string): boolean[] =>
      (["read", "write"] as const).map((action) =>
        gateway.mayUse(holder.principal, server, action),
      );
    expect(may("files")).toEqual([true, true]);
    expect(may("mail")).toEqual([false, false]);
    expect(may("none")).toEqual([false, false]);
    expect(gateway.keyHolder("id-none")).toBeUndefined();
  });
});

describe("a tool that changes how a system works", () => {
  const admin = { name: "migrate", description: "", input: z.object({}), handler: () => "done" };
  const system = builtin(
    defineService({
      name: "system",
      version: "1",
      description: "",
      tools: [defineTool({ ...admin, scope: "manage" }), defineTool({ ...admin, name: "change" })],
    }),
  );
  const boss = key("boss", { role: "admin" });

  test("is for those who may manage its server, and for others is not there", async () => {
    const { url } = await start({ servers: [system, mail], keys: [ann, boss] }, closed);
    expect(await toolNames(`${url}/mcp`, "boss")).toEqual([
      "system__migrate",
      "system__change",
      "mail__send",
    ]);
    expect(await toolNames(`${url}/mcp`, "ann")).toEqual(["system__change", "mail__send"]);
    expect((await call(`${url}/mcp`, "system__migrate", "ann")).error["code"]).toBe(-32602);
    expect((await call(`${url}/mcp`, "system__migrate", "boss")).result["content"]).toEqual([
      { type: "text", text: "done" },
    ]);
  });
});
