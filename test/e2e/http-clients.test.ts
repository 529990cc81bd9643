import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { clientKinds, connect, type ConnectedClient } from "../support/client.ts";
import { startTown, type Town, townServers } from "./town.ts";

// How long something that is sent at once may take to arrive on a busy machine.
const patience = { timeout: 10_000 };

let town: Town;

beforeAll(async () => {
  town = await startTown();
}, 120_000);

afterAll(async () => {
  await town?.close();
}, 60_000);

describe.each(clientKinds)("%s over HTTP", (kind) => {
  let client: ConnectedClient;

  beforeEach(async () => {
    client = await connect(kind, { url: `${town.gateway.url}/mcp`, key: town.gateway.key });
  });

  afterEach(async () => {
    await client.close();
  });

  test("lists the tools of every server, prefixed, and misses none", async () => {
    const names = (await client.tools()).map((tool) => tool.name);
    for (const server of [...townServers, "signalbox"])
      expect(names.filter((name) => name.startsWith(`${server}__`))).not.toEqual([]);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
    expect((await client.toolsMeta())["signalbox/missing"] ?? []).toEqual([]);
  });

  test("calls tools over HTTP, over stdio and in process", async () => {
    expect(await textOf(client, "everything__echo", { message: "hi" })).toContain("hi");
    expect(await textOf(client, "everything__get-sum", { a: 2, b: 3 })).toContain("5");
    const path = join(town.folder, "files", "greeting.txt");
    expect(await textOf(client, "files__read_text_file", { path })).toContain("Hello from a file.");
    expect(await textOf(client, "signalbox__list_servers", {})).toContain("everything");
  });

  test("sees in a second call what a first one stored", async () => {
    const name = `entity of ${kind}`;
    const entities = [{ name, entityType: "test", observations: ["seen"] }];
    await client.call("memory__create_entities", { entities });
    expect(await textOf(client, "memory__read_graph", {})).toContain(name);
  });

  test.each(["both", "old", "new", "lines"])(
    "calls a tool of %s, whatever its era",
    async (server) => {
      const args = { nested: { list: [1, "two", null] }, text: "ünïcode" };
      const result = await client.call(`${server}__test_echo`, args);
      expect(result.structuredContent).toMatchObject({ arguments: args });
      expect(result["_meta"]).toMatchObject({ "example.test/echoed": true });
    },
  );

  test("passes a tool's failure and an unknown tool on as what they are", async () => {
    const failed = await client.call("both__test_error_handling");
    expect(failed.isError).toBe(true);
    await expect(client.call("both__no_such_tool")).rejects.toMatchObject({ code: -32602 });
    await expect(client.call("nowhere__tool")).rejects.toMatchObject({ code: -32602 });
  });

  test("keeps annotations, icons and _meta of a tool", async () => {
    const tool = (await client.tools()).find(({ name }) => name === "both__test_annotated");
    expect(tool).toMatchObject({
      annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true },
      icons: [{ mimeType: "image/png", sizes: ["1x1"] }],
      _meta: { "example.test/kept": [1, "two"] },
    });
  });

  test("reads what a tool's user interface names", async () => {
    const tool = (await client.tools()).find(({ name }) => name === "both__test_annotated");
    const uri = String(Object(Object(tool?.["_meta"])["ui"])["resourceUri"]);
    const [content] = await client.read(uri);
    expect(content).toMatchObject({ uri, text: "<p>Everything</p>" });
  });

  test("reads listed resources, each under the URI it is listed with", async () => {
    const resources = await client.resources();
    for (const server of ["both", "old", "new", "lines"]) {
      const uri = uriOf(resources, server, "static-text");
      const [content] = await client.read(uri);
      expect(content?.uri).toBe(uri);
      expect(content?.text).toContain("static text resource");
    }
    const document = resources.find(({ name }) => name === "architecture.md");
    expect((await client.read(String(document?.uri)))[0]?.text).toContain("#");
  });

  test("reads through a template", async () => {
    const templates = await client.templates();
    const template = templates.find(({ uriTemplate }) => uriTemplate.includes("{resourceId}"));
    const uri = String(template?.uriTemplate).replace("{resourceId}", "7");
    expect(await client.read(uri)).toHaveLength(1);
  });

  test("reads the resource a tool links to", async () => {
    const { content } = await client.call("both__test_resource_link");
    const [read] = await client.read(String(content[0]?.["uri"]));
    expect(read?.text).toContain("static text resource");
  });

  test("gets prompts with and without arguments", async () => {
    const names = (await client.prompts()).map((prompt) => prompt.name);
    expect(names).toContain("everything__simple-prompt");
    expect((await client.prompt("everything__simple-prompt")).messages).not.toEqual([]);
    const { messages } = await client.prompt("new__test_prompt_with_arguments", {
      arg1: "one",
      arg2: "two",
    });
    expect(JSON.stringify(messages)).toContain("arg1='one', arg2='two'");
  });

  test("completes arguments of prompts and of templates", async () => {
    const prompt = { type: "ref/prompt", name: "everything__completable-prompt" } as const;
    const departments = await client.complete(prompt, { name: "department", value: "E" });
    expect(departments).toContain("Engineering");
    const templates = await client.templates();
    const uri = templates.map(({ uriTemplate }) => uriTemplate).find((one) => one.includes("{id}"));
    const template = { type: "ref/resource", uri: String(uri) } as const;
    expect(await client.complete(template, { name: "id", value: "12" })).toEqual(["123", "124"]);
  });

  test.each(["everything__trigger-long-running-operation", "lines__test_tool_with_progress"])(
    "sees the progress of %s",
    async (name) => {
      const seen: number[] = [];
      await client.call(name, name.startsWith("everything") ? { duration: 1, steps: 4 } : {}, {
        onprogress: ({ progress }) => seen.push(progress),
      });
      expect(seen.length).toBeGreaterThanOrEqual(3);
      expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    },
    20_000,
  );

  test.each(["both", "old", "new", "lines"])(
    "cancels a call of %s",
    async (server) => {
      const before = Number(await textOf(client, `${server}__test_cancelled_waits`, {}));
      const cancel = new AbortController();
      const started = Promise.withResolvers<void>();
      const call = client.call(
        `${server}__test_wait`,
        { ms: 60_000 },
        { signal: cancel.signal, onprogress: () => started.resolve() },
      );
      await Promise.race([started.promise, call]);
      cancel.abort();
      await expect(call).rejects.toThrow(/abort|cancel/i);
      await expect
        .poll(
          async () => Number(await textOf(client, `${server}__test_cancelled_waits`, {})),
          patience,
        )
        .toBeGreaterThan(before);
    },
    20_000,
  );

  test.each(["both", "old", "new", "lines"])(
    "hears that lists of %s changed",
    async (server) => {
      const seen = await client.watch();
      const listed = await toolNames(client);
      await client.call(`${server}__test_trigger_tool_change`);
      await expect.poll(() => seen.tools(), patience).toBeGreaterThan(0);
      await expect.poll(() => toolNames(client), patience).not.toBe(listed);
      await client.call(`${server}__test_trigger_prompt_change`);
      await expect.poll(() => seen.prompts(), patience).toBeGreaterThan(0);
    },
    30_000,
  );

  test.each(["both", "old", "new", "lines"])(
    "hears that a resource of %s changed",
    async (server) => {
      const uri = uriOf(await client.resources(), server, "watched-resource");
      const seen = await client.watch(uri);
      await client.call(`${server}__test_touch_resource`);
      await expect.poll(() => seen.updates(), patience).toBeGreaterThan(0);
    },
    30_000,
  );
});

test("a request without a key is refused", async () => {
  const url = `${town.gateway.url}/mcp`;
  const unauthorized = /KEY_MISSING|KEY_INVALID|unauthorized/i;
  const wrong = `sbx_${"x".repeat(43)}`;
  await expect(connect("client 2.4.0, legacy", { url })).rejects.toThrow(unauthorized);
  await expect(connect("sdk 1.32.2", { url, key: wrong })).rejects.toThrow(unauthorized);
});

async function textOf(
  client: ConnectedClient,
  name: string,
  args: Record<string, unknown>,
): Promise<string> {
  const { content, isError } = await client.call(name, args);
  const text = content.map((part) => String(part.text)).join("\n");
  if (isError) throw new Error(`${name}: ${text}`);
  return text;
}

async function toolNames(client: ConnectedClient): Promise<string> {
  return (await client.tools())
    .map((tool) => tool.name)
    .toSorted()
    .join();
}

// The gateway rewrites URIs so that they cannot collide; how is its own affair, as long as the server can be told.
function uriOf(
  resources: readonly { uri: string; name: string }[],
  server: string,
  name: string,
): string {
  const named = resources.filter((resource) => resource.name.endsWith(name));
  const own = named.find(
    (resource) => resource.uri.includes(server) || resource.name.includes(`${server}__`),
  );
  if (!own) throw new Error(`no ${name} of ${server} among ${JSON.stringify(resources)}`);
  return own.uri;
}
