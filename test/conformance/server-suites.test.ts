import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { startEverything, type TestServer } from "../support/servers.ts";
import { losses, table } from "./comparison.ts";
import { type Outcome, runServerSuite, type ServerSuite, serverSuites } from "./suite.ts";

const eras = ["both", "legacy", "modern"] as const;
type Era = (typeof eras)[number];

let servers: Record<Era, TestServer>;
let gateway: TestGateway;

// The suites can send no key, so this gateway asks for none; it listens on loopback only.
beforeAll(async () => {
  const [both, legacy, modern] = await Promise.all(eras.map((era) => startEverything(era)));
  if (!both || !legacy || !modern) throw new Error("not every server started");
  servers = { both, legacy, modern };
  gateway = await startGateway({
    settings: { auth: { required: false } },
    servers: Object.fromEntries(eras.map((era) => [era, { url: servers[era].url }])),
    bundles: Object.fromEntries(
      eras.map((era) => [era, { include: [`${era}__*`], names: "bare" }]),
    ),
  });
}, 120_000);

afterAll(async () => {
  await Promise.all(Object.values(servers ?? {}).map((server) => server.stop()));
  await gateway?.stop();
}, 60_000);

const sameEra: readonly { suite: ServerSuite; era: Era }[] = [
  { suite: serverSuites.active, era: "both" },
  { suite: serverSuites.legacy, era: "both" },
  { suite: serverSuites.modern, era: "both" },
  { suite: serverSuites.active, era: "legacy" },
  { suite: serverSuites.legacy, era: "legacy" },
  { suite: serverSuites.modern, era: "modern" },
];

describe.each(sameEra)("$suite.name against a server of era $era", ({ suite, era }) => {
  test("no check that passes directly is lost through the gateway", async () => {
    const [direct, through] = await bothWays(suite, era);
    expect(losses(direct, through)).toEqual([]);
  }, 300_000);
});

// Across the eras only tools, resources and prompts are promised. The list names what both wires have in common.
const crossing: readonly { suite: ServerSuite; era: Era }[] = [
  { suite: serverSuites.active, era: "modern" },
  { suite: serverSuites.legacy, era: "modern" },
  { suite: serverSuites.modern, era: "legacy" },
];
const crossingScenarios = [
  "completion-complete",
  "tools-list",
  "tools-call-simple-text",
  "tools-call-image",
  "tools-call-audio",
  "tools-call-embedded-resource",
  "tools-call-mixed-content",
  "tools-call-error",
  "tools-call-with-progress",
  "resources-list",
  "resources-read-text",
  "resources-read-binary",
  "resources-templates-read",
  "sep-2164-resource-not-found",
  "prompts-list",
  "prompts-get-simple",
  "prompts-get-with-args",
  "prompts-get-embedded-resource",
  "prompts-get-with-image",
  "json-schema-2020-12",
  "caching",
];

describe.each(crossing)("$suite.name against a server that is only $era", ({ suite, era }) => {
  test("tools, resources and prompts cross as well as if the server spoke both eras", async () => {
    const direct = await runServerSuite(suite, servers.both.url);
    const through = await runServerSuite(suite, endpoint(era));
    print(suite, era, only(direct), only(through));
    expect(losses(only(direct), only(through))).toEqual([]);
  }, 300_000);
});

async function bothWays(suite: ServerSuite, era: Era): Promise<[Outcome, Outcome]> {
  const direct = await runServerSuite(suite, servers[era].url);
  const through = await runServerSuite(suite, endpoint(era));
  print(suite, era, direct, through);
  return [direct, through];
}

function endpoint(era: Era): string {
  return `${gateway.url}/mcp/${era}`;
}

function only(outcome: Outcome): Outcome {
  return new Map([...outcome].filter(([scenario]) => crossingScenarios.includes(scenario)));
}

function print(suite: ServerSuite, era: Era, direct: Outcome, through: Outcome): void {
  process.stdout.write(`\n${suite.name}, server: ${era}\n${table(direct, through)}\n`);
}
