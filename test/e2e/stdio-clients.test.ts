import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { baseEnvironment } from "../support/child.ts";
import { clientKinds, connect, type ConnectedClient } from "../support/client.ts";
import { inRoot } from "../support/root.ts";
import { startTown, type Town, townServers } from "./town.ts";

let town: Town;

beforeAll(async () => {
  town = await startTown();
}, 120_000);

afterAll(async () => {
  await town?.close();
}, 60_000);

describe.each(clientKinds)("%s over `signalbox stdio`", (kind) => {
  let client: ConnectedClient;

  beforeEach(async () => {
    client = await connect(kind, {
      command: process.execPath,
      args: [inRoot("src/main.ts"), "stdio"],
      env: {
        ...baseEnvironment(),
        SIGNALBOX_URL: town.gateway.url,
        SIGNALBOX_KEY: town.gateway.key,
      },
    });
  }, 30_000);

  afterEach(async () => {
    await client.close();
  }, 30_000);

  test("lists and calls tools, reads resources, gets prompts, completes", async () => {
    const names = (await client.tools()).map((tool) => tool.name);
    for (const server of townServers)
      expect(names.filter((name) => name.startsWith(`${server}__`))).not.toEqual([]);
    const { content } = await client.call("everything__echo", { message: "over stdio" });
    expect(content[0]?.text).toContain("over stdio");
    const [resource] = await client.resources();
    expect(await client.read(String(resource?.uri))).not.toEqual([]);
    expect((await client.prompt("everything__simple-prompt")).messages).not.toEqual([]);
    const prompt = { type: "ref/prompt", name: "everything__completable-prompt" } as const;
    expect(await client.complete(prompt, { name: "department", value: "E" })).toContain(
      "Engineering",
    );
  }, 30_000);

  test("sees progress and cancels", async () => {
    const cancel = new AbortController();
    const started = Promise.withResolvers<void>();
    const call = client.call(
      "both__test_wait",
      { ms: 60_000 },
      { signal: cancel.signal, onprogress: () => started.resolve() },
    );
    await Promise.race([started.promise, call]);
    cancel.abort();
    await expect(call).rejects.toThrow(/abort|cancel/i);
    const { content } = await client.call("both__test_cancelled_waits");
    expect(Number(content[0]?.text)).toBeGreaterThan(0);
  }, 30_000);

  test("hears that a list changed", async () => {
    const seen = await client.watch();
    await client.call("both__test_trigger_tool_change");
    await expect.poll(() => seen.tools(), { timeout: 10_000 }).toBeGreaterThan(0);
  }, 30_000);
});
