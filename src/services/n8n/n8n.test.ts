import {
  fakeClock,
  fakeFetch,
  hostService,
  jsonResponse,
  textOf,
  type SeenRequest,
} from "@signalbox/kit/testing";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { vendorText, withVendor } from "../../../test/support/vendor-contracts.ts";
import { FakeN8n, goodKey, mcpToken } from "./fake-n8n.ts";
import { n8n } from "./index.ts";

type Options = Parameters<typeof hostService<typeof n8n.settings.options, never>>[1];

const url = "http://localhost:5678";

function hosted(options: Options = {}) {
  const clock = fakeClock();
  const vendor = new FakeN8n(clock);
  const { fetch, seen } = fakeFetch(vendor.answer);
  const host = hostService(n8n, { url, api_key: goodKey, ...options }, { fetch, clock });
  onTestFinished(() => host.service.close());
  /** What comes of a call, the clock going on until then. */
  const settled = async <T>(work: Promise<T>): Promise<T> => {
    const state = { over: false };
    const done = work.finally(() => {
      state.over = true;
    });
    while (!state.over) await clock.advance(50);
    return await done;
  };
  const make = async (name: string, parameters?: object, settings?: object): Promise<string> => {
    const made = await host.ask("create_workflow", {
      name,
      nodes: [trigger(parameters), set],
      connections: {},
      ...(settings !== undefined && { settings }),
    });
    return z.object({ id: z.string() }).parse(made).id;
  };
  return { host, vendor, clock, seen, settled, make };
}

const set = { name: "Set", type: "n8n-nodes-base.set" };

function trigger(parameters?: object) {
  return parameters === undefined
    ? { name: "Schedule", type: "n8n-nodes-base.scheduleTrigger" }
    : { name: "Webhook", type: "n8n-nodes-base.webhook", webhookId: "hook-id", parameters };
}

const onPost = { path: "greet", httpMethod: "POST", responseMode: "lastNode" };

test("every tool does what it says", async () => {
  const { host, vendor, settled, make } = hosted();
  const called = new Set(["create_workflow"]);
  const ask = async (name: string, args: object = {}) => {
    called.add(name);
    return await settled(host.ask(name, args));
  };

  const id = await make("Greet", onPost);
  expect(await ask("health")).toEqual({ up: true, ready: true, apiKey: true, mcp: false });
  expect(await ask("activate_workflow", { workflow: "Greet" })).toMatchObject({
    active: true,
    webhooks: [{ url: `${url}/webhook/greet`, methods: ["POST"], live: true }],
  });
  expect(await ask("list_workflows", { active: true })).toMatchObject({
    workflows: [{ id, name: "Greet", triggers: 1 }],
  });
  expect(await ask("get_workflow", { workflow: id, definition: true })).toMatchObject({
    nodes: [{ name: "Webhook", disabled: false }, { name: "Set" }],
    definition: { settings: { executionOrder: "v1" } },
  });
  expect(await ask("list_webhooks")).toMatchObject({
    webhooks: [{ workflow: "Greet", node: "Webhook", path: "greet", authentication: "none" }],
    more: false,
  });
  expect(
    await ask("execute_workflow", { workflow: "Greet", input: { name: "João", n: 1 } }),
  ).toEqual({
    via: "webhook",
    executionId: "1",
    status: "success",
    lastNode: "Set",
    output: [{ hello: "João", n: 2 }],
    answer: { hello: "João", n: 2 },
  });
  expect(await ask("call_webhook", { path: "greet", body: { name: "Ana" } })).toEqual({
    status: 200,
    contentType: "application/json",
    answer: { hello: "Ana", n: 1 },
  });
  expect(await ask("list_executions", { workflow: "Greet", limit: 1 })).toMatchObject({
    executions: [{ id: "2", status: "success", mode: "webhook", durationMs: 0 }],
    nextCursor: expect.any(String),
  });
  expect(await ask("get_execution", { execution: "1" })).toMatchObject({
    status: "success",
    output: [{ hello: "João" }],
    nodes: [
      { node: "Webhook", items: 1 },
      { node: "Set", status: "success", durationMs: 3 },
    ],
  });

  vendor.failing = "The guest has no address";
  expect(await ask("execute_workflow", { workflow: id })).toMatchObject({
    executionId: "3",
    status: "error",
    error: "The guest has no address",
  });
  expect(await ask("retry_execution", { execution: "3" })).toMatchObject({
    mode: "retry",
    retryOf: "3",
  });
  vendor.nextTakesMs = 60_000;
  await ask("execute_workflow", { workflow: id, wait: false });
  expect(await ask("stop_execution", { execution: "5" })).toMatchObject({ status: "canceled" });

  expect(await ask("update_workflow", { workflow: id, name: "Greet guests" })).toMatchObject({
    name: "Greet guests",
    active: true,
  });
  expect(await ask("deactivate_workflow", { workflow: id })).toMatchObject({
    active: false,
    webhooks: [{ live: false }],
  });
  // It is refused for a moment after that.
  expect(await ask("delete_workflow", { workflow: id })).toMatchObject({ name: "Greet guests" });
  expect(vendor.workflows.size).toBe(0);

  const type = "httpHeaderAuth";
  expect(await ask("get_credential_schema", { type })).toMatchObject({
    fields: {
      value: { type: "string" },
      allowedHttpRequestDomains: { values: ["all", "domains", "none"] },
    },
  });
  const data = { name: "x-key", value: "value-of-tests" };
  expect(await ask("create_credential", { name: "Key", type, data })).toEqual({
    id: "cred1",
    name: "Key",
    type,
  });
  await ask("delete_credential", { credential: "cred1" });
  expect(vendor.credentials.size).toBe(0);

  expect([...called].toSorted()).toEqual(n8n.tools.map(({ name }) => name).toSorted());
});

test("the key is for the API, and webhooks get none", async () => {
  const { host, seen, settled, make } = hosted();
  await make("Greet", onPost);
  await host.ask("activate_workflow", { workflow: "Greet" });
  await settled(host.ask("call_webhook", { path: "greet" }));
  const [hook] = seen.filter(({ path }) => path.startsWith("/webhook/"));
  expect(hook?.headers).not.toHaveProperty("x-n8n-api-key");
});

test("an address of the API is that of n8n", async () => {
  const { host, seen } = hosted({ url: `${url}/api/v1/` });
  await host.ask("list_workflows");
  expect(seen[0]?.url.href).toBe(`${url}/api/v1/workflows?limit=50`);
});

test("a webhook that is not live yet is called again until it is", async () => {
  const { host, seen, settled, make } = hosted();
  await make("Greet", onPost);
  await host.ask("activate_workflow", { workflow: "Greet" });
  expect(await settled(host.ask("execute_workflow", { workflow: "Greet" }))).toMatchObject({
    status: "success",
  });
  expect(seen.filter(({ path }) => path === "/webhook/greet")).toHaveLength(2);
});

test("a workflow that takes long is left running, and its execution is named", async () => {
  const { host, vendor, clock, settled, make } = hosted();
  await make("Greet", onPost);
  await host.ask("activate_workflow", { workflow: "Greet" });
  await clock.advance(300);
  vendor.nextTakesMs = 60_000;
  const asked = { workflow: "Greet", timeoutMs: 5_000 };
  expect(await settled(host.ask("execute_workflow", asked))).toEqual({
    via: "webhook",
    executionId: "1",
    status: "running",
  });
});

test("a workflow that answers at once is waited for by its execution", async () => {
  const { host, vendor, settled, make } = hosted();
  await make("Greet", { ...onPost, responseMode: "onReceived" });
  await host.ask("activate_workflow", { workflow: "Greet" });
  vendor.nextTakesMs = 3_000;
  expect(await settled(host.ask("execute_workflow", { workflow: "Greet" }))).toMatchObject({
    status: "success",
    lastNode: "Set",
    answer: { message: "Workflow was started" },
  });
});

test("a webhook of GET gets its input in the query", async () => {
  const { host, settled, make } = hosted();
  await make("Greet", { path: "greet", responseMode: "lastNode" });
  await host.ask("activate_workflow", { workflow: "Greet" });
  const asked = { workflow: "Greet", input: { name: "Ana" } };
  expect(await settled(host.ask("execute_workflow", asked))).toMatchObject({
    answer: { hello: "Ana" },
  });
});

test("a webhook that asks for credentials gets those of the settings, which are masked", async () => {
  const webhook_headers = { "x-hook": "hook-secret" };
  const { host, settled, make } = hosted({ webhook_headers });
  await make("Greet", { ...onPost, authentication: "headerAuth" });
  await host.ask("activate_workflow", { workflow: "Greet" });
  const ran = await settled(host.ask("execute_workflow", { workflow: "Greet" }));
  expect(ran).toMatchObject({ status: "success" });
  const { host: without, make: makeOther } = hosted();
  await makeOther("Greet", { ...onPost, authentication: "headerAuth" });
  await without.ask("activate_workflow", { workflow: "Greet" });
  const said = textOf(await without.call("execute_workflow", { workflow: "Greet" }));
  expect(said).toContain("Its webhook asks for credentials: set webhook_headers");
});

test("what a request brought in of credentials is not shown", async () => {
  const { host, settled, make } = hosted();
  await make("Greet", onPost);
  await host.ask("activate_workflow", { workflow: "Greet" });
  const headers = { authorization: "Bearer secret-of-somebody" };
  await settled(host.ask("call_webhook", { path: "greet", headers }));
  const shown = JSON.stringify(await host.ask("get_execution", { execution: "1" }));
  expect(shown).not.toContain("secret-of-somebody");
  expect(shown).not.toContain("resume-token");
});

test("a workflow without a webhook is run by n8n's MCP server, where there is a token", async () => {
  const { host, seen, settled, make } = hosted({ mcp_token: mcpToken });
  const id = await make("Nightly", undefined, { availableInMCP: true });
  expect(await settled(host.ask("execute_workflow", { workflow: "Nightly" }))).toMatchObject({
    via: "mcp",
    executionId: "1",
    status: "success",
  });
  const [run] = seen.filter(({ path }) => path === "/mcp-server/http");
  expect(run?.json).toMatchObject({
    method: "tools/call",
    params: {
      name: "execute_workflow",
      arguments: { workflowId: id, executionMode: "production" },
    },
  });
  const manual = { workflow: "Nightly", mode: "manual", wait: false };
  expect(await host.ask("execute_workflow", manual)).toEqual({
    via: "mcp",
    executionId: "2",
    status: "started",
  });
});

test("a workflow in the editor is run with what its webhook would get", async () => {
  const { host, seen, make } = hosted({ mcp_token: mcpToken });
  await make("Greet", onPost, { availableInMCP: true });
  const input = { name: "Ana" };
  await host.ask("execute_workflow", { workflow: "Greet", mode: "manual", input });
  expect(seen.find(({ path }) => path === "/mcp-server/http")?.json).toMatchObject({
    params: { arguments: { inputs: { webhookData: { method: "POST", body: input } } } },
  });
});

test("a workflow that n8n's MCP server may not run is refused with what to do", async () => {
  const { host, make } = hosted({ mcp_token: mcpToken });
  await make("Nightly");
  const said = textOf(await host.call("execute_workflow", { workflow: "Nightly" }));
  expect(said).toContain("Workflow is not available in MCP. It must be available in MCP");
});

test.each([
  [
    "a workflow that is not there",
    "get_workflow",
    { workflow: "nope" },
    "list_workflows names them. (NOT_FOUND)",
  ],
  ["a name that several have", "get_workflow", { workflow: "Twice" }, "Give the id of one: wf"],
  [
    "a workflow that is not active",
    "execute_workflow",
    { workflow: "Greet" },
    "It is not active: activate_workflow",
  ],
  [
    "a workflow without a webhook",
    "execute_workflow",
    { workflow: "Nightly" },
    "set N8N_MCP_TOKEN",
  ],
  [
    "the mode manual without MCP",
    "execute_workflow",
    { workflow: "Greet", mode: "manual" },
    "Only n8n's MCP server",
  ],
  [
    "a webhook that is not live",
    "call_webhook",
    { path: "greet" },
    "activate_workflow makes them live. (N8N_WEBHOOK_NOT_LIVE)",
  ],
  ["a path that is an address", "call_webhook", { path: "/webhook/greet" }, "Give the path alone"],
  [
    "a header of the gateway's",
    "call_webhook",
    { path: "greet", headers: { Host: "x" } },
    "cannot be set",
  ],
  [
    "an execution that is not there",
    "get_execution",
    { execution: "99" },
    "There is no execution 99",
  ],
  ["a retry of nothing", "retry_execution", { execution: "99" }, "There is no execution 99"],
  ["a stop of nothing", "stop_execution", { execution: "99" }, "with status running"],
  ["an update of nothing", "update_workflow", { workflow: "Greet" }, "Say what to change"],
  [
    "a credential of no type",
    "get_credential_schema",
    { type: "nope" },
    "no credentials of the type",
  ],
  [
    "a credential that is not there",
    "delete_credential",
    { credential: "nope" },
    "no credential nope",
  ],
])("%s is refused with what to do", async (_what, tool, args, sentence) => {
  const { host, settled, make } = hosted();
  await make("Greet", onPost);
  await make("Nightly");
  await make("Twice");
  await make("Twice");
  const result = await settled(host.call(tool, args));
  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain(sentence);
});

test("n8n's refusals are told in its words", async () => {
  const { host, settled, make } = hosted();
  await make("Greet", onPost);
  await make("Greet too", onPost);
  await host.ask("activate_workflow", { workflow: "Greet" });
  const conflict = await host.call("activate_workflow", { workflow: "Greet too" });
  expect(textOf(conflict)).toContain("conflict with one of the webhooks");
  await settled(host.ask("execute_workflow", { workflow: "Greet" }));
  const retried = textOf(await host.call("retry_execution", { execution: "1" }));
  expect(retried).toContain("The execution succeeded, so it cannot be retried.");
  const stopped = textOf(await host.call("stop_execution", { execution: "1" }));
  expect(stopped).toContain("cannot be stopped");
});

test("a key that is not taken is told, and not shown", async () => {
  const { host } = hosted({ api_key: "wrong-key-of-tests" });
  const said = textOf(await host.call("list_workflows"));
  expect(said).toContain("Check N8N_API_KEY");
  expect(said).not.toContain("wrong-key");
  expect(await host.ask("health")).toMatchObject({ up: true, ready: true, apiKey: false });
});

test("a key without the scope is told", async () => {
  const { host, vendor } = hosted();
  vendor.instead.push(() => jsonResponse({ message: "Forbidden" }, { status: 403 }));
  expect(textOf(await host.call("list_workflows"))).toContain("has no scope for this");
});

test("an n8n whose database is away is not well", async () => {
  const { host, vendor, settled } = hosted();
  const signal = AbortSignal.timeout(5_000);
  await host.ask("list_workflows");
  expect(await host.service.health(signal)).toEqual({ status: "ok" });
  vendor.databaseReady = false;
  expect(await settled(host.ask("health"))).toMatchObject({ up: true, ready: false });
  expect(await settled(host.service.health(signal).then((one) => one))).toMatchObject({
    status: "down",
  });
});

test("a page names the next", async () => {
  const { host, make } = hosted();
  for (const name of ["A", "B", "C"]) await make(name);
  const page = z.object({
    workflows: z.array(z.object({ name: z.string() })),
    nextCursor: z.string().optional(),
  });
  const first = page.parse(await host.ask("list_workflows", { limit: 2 }));
  const { nextCursor: cursor } = first;
  const second = page.parse(await host.ask("list_workflows", { limit: 2, cursor }));
  expect([...first.workflows, ...second.workflows].map(({ name }) => name)).toEqual([
    "A",
    "B",
    "C",
  ]);
  expect(second.nextCursor).toBeUndefined();
});

test("settings without address and key name the variables that set them", () => {
  const { settings } = n8n;
  const needs = (given: object) => settings.missing(settings.options.parse(given));
  expect(needs({})).toEqual(["N8N_API_URL, such as http://localhost:5678", "N8N_API_KEY"]);
  expect(needs({ url, api_key: "k" })).toEqual([]);
});

const recording = z.array(
  z.object({
    name: z.string(),
    method: z.string(),
    path: z.string(),
    requestBody: z.unknown(),
    auth: z.array(z.string()),
    status: z.number(),
    headers: z.record(z.string(), z.string()),
    body: z.unknown(),
  }),
);
type Recorded = z.output<typeof recording>[number];

withVendor("n8n-recorded.json")("held to what n8n 2.41 was seen to answer", () => {
  // Read by the tests: what is skipped is collected all the same.
  const all = () => recording.parse(JSON.parse(vendorText("n8n-recorded.json")));
  const named = (name: string): Recorded => {
    const found = all().find((one) => one.name === name);
    if (found === undefined) throw new Error(`no recording "${name}"`);
    return found;
  };
  const recordedId = "giFP8nXNmKKOQQiN";

  /** Answers what was recorded for a request of the method and path; 404 for others. */
  const replay = (...names: string[]) => {
    const { fetch, seen } = fakeFetch(({ method, path }) => {
      const one = names.map(named).find((r) => r.method === method && path === r.path);
      return one === undefined
        ? jsonResponse({ message: "Not Found" }, { status: 404 })
        : typeof one.body === "string"
          ? new Response(one.body, { status: one.status, headers: one.headers })
          : jsonResponse(one.body, { status: one.status });
    });
    const host = hostService(n8n, { url, api_key: goodKey }, { fetch, clock: fakeClock() });
    onTestFinished(() => host.service.close());
    return { host, seen };
  };

  test("its workflows, executions and schemas are understood", async () => {
    const { host } = replay("list-page1", "list-page2", "get", "exec-get", "credentials-schema");
    const first = await host.ask("list_workflows", { limit: 1 });
    const { nextCursor: cursor } = z.object({ nextCursor: z.string() }).parse(first);
    expect(await host.ask("list_workflows", { limit: 1, cursor })).toMatchObject({
      workflows: [{ id: recordedId }],
    });
    expect(await host.ask("get_workflow", { workflow: recordedId })).toMatchObject({
      webhooks: [{ path: "rec-8190", methods: ["POST"], respondsWhen: "lastNode", live: false }],
    });
    expect(await host.ask("get_execution", { execution: "6" })).toMatchObject({
      status: "success",
      durationMs: 8,
      output: [{ hello: "João", n: 2 }],
      nodes: [{ node: "Webhook" }, { node: "Set", durationMs: 3 }],
    });
    expect(await host.ask("get_credential_schema", { type: "httpHeaderAuth" })).toMatchObject({
      fields: { value: { type: "string" } },
    });
  });

  test("what it refused is told in its words", async () => {
    const { host } = replay("get", "exec-retry-success", "delete", "create-invalid");
    const retried = textOf(await host.call("retry_execution", { execution: "6" }));
    expect(retried).toContain("The execution succeeded");
    const created = await host.call("create_workflow", { name: "x", nodes: [] });
    expect(textOf(created)).toContain("must have required property 'nodes'");
  });

  test("a workflow is written as it was when n8n took it", async () => {
    const { host, seen } = replay("create", "get", "update");
    const { requestBody } = named("create");
    const sent = z.looseObject({ nodes: z.array(z.looseObject({})) }).parse(requestBody);
    await host.ask("create_workflow", { ...sent });
    expect(seen[0]?.json).toEqual(requestBody);
    await host.ask("update_workflow", { workflow: recordedId, name: "rec renamed" });
    expect(seen.at(-1)?.json).toEqual(named("update").requestBody);
  });

  test("the double answers each request as n8n did: status, fields and words", async () => {
    const clock = fakeClock();
    const vendor = new FakeN8n(clock);
    const played = all().filter(
      ({ path, name }) => !/well-known|mcp-server/.test(path) && !unlike.has(name),
    );
    let own = "";
    for (const one of played) {
      const path = one.path.replaceAll(recordedId, own).replace("executions/6", "executions/1");
      // What the recorder waited for: webhooks that go live.
      if (one.name.startsWith("webhook")) await clock.advance(300);
      const answer = await vendor.answer(requestOf(one, path));
      expect(`${one.name} ${answer.status}`).toBe(`${one.name} ${one.status}`);
      const body: unknown = await answer.json();
      if (one.name === "create") own = z.object({ id: z.string() }).parse(body).id;
      expect({ name: one.name, odd: oddsOf(one, body) }).toEqual({ name: one.name, odd: [] });
    }
    expect(played.length).toBeGreaterThan(15);
  });

  // Made before there were others, or of values that the double does not keep.
  const unlike = new Set(["list-page1", "list-page2", "credentials-schema"]);
});

function requestOf({ method, requestBody, auth, name }: Recorded, path: string): SeenRequest {
  const key = name === "list-badkey" ? "wrong" : goodKey;
  return {
    method,
    path,
    url: new URL(path, url),
    headers: auth.includes("X-N8N-API-KEY") ? { "x-n8n-api-key": key } : {},
    text: JSON.stringify(requestBody),
    json: requestBody,
  };
}

/** What n8n would not have answered: fields that it does not have, or other words for a refusal. */
function oddsOf({ status, body: recorded }: Recorded, body: unknown): string[] {
  if (status >= 300) {
    const { message } = said.parse(body);
    return message === said.parse(recorded).message ? [] : [message];
  }
  const known = Object.keys(Object(recorded));
  return Object.keys(Object(body)).filter((field) => !known.includes(field));
}

const said = z.object({ message: z.string() });
