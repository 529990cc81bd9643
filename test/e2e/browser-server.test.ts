// A browser for agents, `@playwright/mcp`, as a local server behind the gateway: it opens a page of this machine in a real
// Chromium, and its tool that runs any code is kept out of the bundle that agents get.
import { createServer } from "node:http";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { hasChromium } from "../support/chromium.ts";
import { clientKinds, connect, type CallResult } from "../support/client.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { processesMentioning } from "../support/processes.ts";
import { inRoot } from "../support/root.ts";
import { until } from "../support/until.ts";

const page = `<!doctype html><html lang="en"><title>Shop</title><h1>Apples</h1>
<button onclick="document.querySelector('h1').textContent = 'Sold'">Buy</button></html>`;
const unsafe = "browser__browser_run_code_unsafe";

describe.skipIf(!hasChromium())("a browser as a server behind the gateway", () => {
  const open = new AsyncDisposableStack();
  let gateway: TestGateway;
  let address: string;
  let key: string;
  /** What is written by browsers, whose profiles name it on their command lines. */
  let folder: string;

  beforeAll(async () => {
    const shop = createServer((_, response) => {
      response.setHeader("content-type", "text/html");
      response.end(page);
    });
    shop.listen(0, "127.0.0.1");
    await once(shop, "listening");
    open.defer(() => void shop.close());
    const bound = shop.address();
    address = `http://127.0.0.1:${typeof bound === "object" ? bound?.port : 0}/`;
    folder = await mkdtemp(join(tmpdir(), "signalbox-test-"));
    open.defer(() => rm(folder, { recursive: true, force: true }));
    gateway = await startGateway({
      servers: {
        browser: {
          command: process.execPath,
          args: browserServer(folder),
          env: { TMPDIR: folder },
        },
      },
      bundles: { browsing: { include: ["browser__*"], exclude: [unsafe] } },
    });
    open.defer(() => gateway.child.stop());
    const { body } = await gateway.api("POST", "/api/keys", { name: "ag", bundles: ["browsing"] });
    key = z.object({ key: z.string() }).parse(body).key;
  }, 120_000);

  afterAll(() => open.disposeAsync(), 60_000);

  test.each(clientKinds)(
    "%s opens a page, reads it, clicks in it and takes a picture",
    async (kind) => {
      const agent = await connect(kind, { url: `${gateway.url}/mcp/browsing`, key });
      const opened = await agent.call("browser__browser_navigate", { url: address });
      expect(textOf(opened)).toContain("Page Title: Shop");
      const before = textOf(await agent.call("browser__browser_snapshot"));
      expect(before).toContain('heading "Apples"');
      const ref = /button "Buy" \[ref=(\w+)\]/.exec(before)?.[1];
      await agent.call("browser__browser_click", { element: "Buy", target: ref, ref });
      expect(textOf(await agent.call("browser__browser_snapshot"))).toContain("Sold");
      const picture = await agent.call("browser__browser_take_screenshot", {});
      const image = picture.content.find(({ type }) => type === "image");
      expect(String(image?.["data"])).toMatch(/^(iVBOR|\/9j\/)/);
      await agent.call("browser__browser_close");
      await agent.close();
    },
    60_000,
  );

  test("the tool that runs any code is neither listed in the bundle nor called", async () => {
    const all = await connect("client 2.4.0, modern", {
      url: `${gateway.url}/mcp`,
      key: gateway.key,
    });
    expect((await all.tools()).map(({ name }) => name)).toContain(unsafe);
    await all.close();
    const agent = await connect("client 2.4.0, modern", {
      url: `${gateway.url}/mcp/browsing`,
      key,
    });
    const names = (await agent.tools()).map(({ name }) => name);
    expect(names).toContain("browser__browser_navigate");
    expect(names).not.toContain(unsafe);
    const code = { code: "async (page) => process.exit()" };
    await expect(agent.call(unsafe, code)).rejects.toThrow(unsafe);
    await agent.close();
    // Nor by the way around the bundle.
    await expect(connect("sdk 1.32.2", { url: `${gateway.url}/mcp`, key })).rejects.toThrow(
      "limited to /mcp/browsing",
    );
  });

  test("its browsers end with the gateway", async () => {
    const agent = await connect("client 2.4.0, legacy", {
      url: `${gateway.url}/mcp/browsing`,
      key,
    });
    await agent.call("browser__browser_navigate", { url: address });
    await agent.close();
    expect((await processesMentioning(folder)).length).toBeGreaterThan(1);
    await gateway.stop();
    await until("none is left", async () => (await processesMentioning(folder)).length === 0);
  });
});

function browserServer(outputFolder: string): string[] {
  return [
    inRoot("node_modules/@playwright/mcp/cli.js"),
    "--headless",
    "--isolated",
    ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
    "--executable-path=/usr/bin/chromium",
    `--output-dir=${outputFolder}`,
  ];
}

function textOf({ content }: CallResult): string {
  return content.map(({ text }) => (typeof text === "string" ? text : "")).join("\n");
}
