import { afterAll, beforeAll, expect, test } from "vitest";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { inRoot } from "../support/root.ts";
import { lostChecks, table } from "./comparison.ts";
import { type ClientScenario, clientScenarios, runClientScenario } from "./suite.ts";

const directly = `"${process.execPath}" "${inRoot("test/everything-client/client.ts")}"`;
const throughGateway = `"${process.execPath}" "${inRoot("test/conformance/through-gateway.ts")}"`;

let gateway: TestGateway;
const direct = new Map<string, Awaited<ReturnType<typeof runClientScenario>>>();
const through = new Map<string, Awaited<ReturnType<typeof runClientScenario>>>();

beforeAll(async () => {
  gateway = await startGateway();
}, 120_000);

afterAll(async () => {
  process.stdout.write(`\nclient suites\n${table(direct, through)}\n`);
  await gateway?.stop();
}, 60_000);

const titled = clientScenarios.map((scenario) => ({
  title: `${scenario.scenario} at ${scenario.revision ?? "0.1.16"}`,
  scenario,
}));

test.each(titled)(
  "$title: no check that passes directly is lost through the gateway",
  async ({ title, scenario }) => {
    direct.set(title, await play(scenario, directly));
    through.set(title, await play(scenario, throughGateway));
    expect(lostChecks(direct.get(title) ?? [], through.get(title) ?? [])).toEqual([]);
  },
  120_000,
);

async function play(
  scenario: ClientScenario,
  command: string,
): ReturnType<typeof runClientScenario> {
  return await runClientScenario(scenario, command, {
    SIGNALBOX_URL: gateway.url,
    SIGNALBOX_KEY: gateway.key,
  });
}
