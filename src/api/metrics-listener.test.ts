import { createServer, request } from "node:http";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { Metrics } from "../foundation/index.ts";
import { createMetricsListener } from "./metrics-listener.ts";
import type { MetricsListener } from "./metrics-listener.ts";

async function started(allowedHosts: string[] = []): Promise<MetricsListener> {
  const metrics = new Metrics();
  metrics.counter("things_total", "Things.").slot().inc(3);
  const listener = createMetricsListener({ host: "127.0.0.1", port: 0, metrics, allowedHosts });
  await listener.start();
  onTestFinished(() => listener.stop());
  return listener;
}

async function ask(url: string, host?: string, method = "GET"): Promise<[number, string]> {
  const sent = request(url, { method, ...(host !== undefined && { headers: { host } }) });
  sent.end();
  const [response] = await once(sent, "response");
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part);
  return [response.statusCode, Buffer.concat(parts).toString()];
}

test("metrics are served without a key, and nothing else is", async () => {
  const { url } = await started();
  const [status, text] = await ask(url);
  expect(status).toBe(200);
  expect(text).toContain("things_total 3");
  expect((await ask(`${url}?x=1`))[0]).toBe(200);
  expect((await ask(url, undefined, "HEAD"))[0]).toBe(200);
  expect((await ask(url, undefined, "POST"))[0]).toBe(405);
  expect((await ask(url.replace("/metrics", "/")))[0]).toBe(404);
  expect((await ask(url.replace("/metrics", "/metrics/../api/servers")))[0]).toBe(404);
});

test("a page whose name was pointed here is refused", async () => {
  const { url } = await started(["mcp-gateway"]);
  expect(await ask(url, "evil.example")).toEqual([403, expect.stringContaining("HOST_REFUSED")]);
  expect((await ask(url, "localhost:9090"))[0]).toBe(200);
  expect((await ask(url, "mcp-gateway:9090"))[0]).toBe(200);
});

test("a taken port is said to be taken", async () => {
  const other = createServer();
  other.listen(0, "127.0.0.1");
  await once(other, "listening");
  onTestFinished(() => void other.close());
  const address = other.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const listener = createMetricsListener({ host: "127.0.0.1", port, metrics: new Metrics() });
  await expect(listener.start()).rejects.toMatchObject({ code: "PORT_IN_USE" });
  await listener.stop();
});

test("an address that is not this machine's is refused", async () => {
  const listener = createMetricsListener({ host: "203.0.113.1", port: 0, metrics: new Metrics() });
  await expect(listener.start()).rejects.toMatchObject({ code: "BIND_REFUSED" });
});
