// What a new configuration leaves as it is: servers of which nothing but the endpoints changes go on.
import { expect, test } from "vitest";
import type { ServerDefinition } from "../upstream/index.ts";
import { start, type RunningGateway } from "./running-gateway.ts";

const of = (urls: string[], options: object = {}): ServerDefinition => ({
  name: "many",
  options: { endpoints: urls.map((url) => ({ url })), ...options },
  origin: "config",
});
const [a, b, c] = ["http://127.0.0.1:1/a", "http://127.0.0.2:1/b", "http://127.0.0.3:1/c"];

/** The endpoints, those that an operator has drained with a "-". */
function endpointsOf({ gateway }: RunningGateway): string[] {
  const { endpoints = [] } = gateway.serverFacts("many") ?? {};
  return endpoints.map(({ url = "", state }) => (state === "draining" ? "-" : "") + url);
}

async function drained(): Promise<RunningGateway> {
  const running = await start({ servers: [of([a, b])] });
  running.gateway.drainEndpoint("many", "127.0.0.1:1", true);
  expect(endpointsOf(running)).toEqual([`-${a}`, b]);
  return running;
}

test("endpoints come and go without the server being made anew", async () => {
  const running = await drained();
  await running.apply({ servers: [of([c, a])] });
  expect(endpointsOf(running)).toEqual([c, `-${a}`]);
});

test("endpoints that are all others make another server, and so does any other option", async () => {
  const running = await drained();
  await running.apply({ servers: [of([a, b], { timeout: 5_000 })] });
  expect(endpointsOf(running)).toEqual([a, b]);
  running.gateway.drainEndpoint("many", "127.0.0.1:1", true);
  await running.apply({ servers: [of([c])] });
  await running.apply({ servers: [of([c, a])] });
  expect(endpointsOf(running)).toEqual([c, a]);
});

test("a configuration that cannot be served changes no endpoints", async () => {
  const running = await drained();
  const twice = { ...of([a]), name: "twice" };
  await expect(running.apply({ servers: [of([c, a]), twice, twice] })).rejects.toMatchObject({
    code: "NAME_TAKEN",
  });
  expect(endpointsOf(running)).toEqual([`-${a}`, b]);
});
