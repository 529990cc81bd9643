// The authorization scenarios of the client suite, with the gateway as the OAuth client.
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { inRoot } from "../support/root.ts";
import {
  authorizationLeft,
  authorizationScenarios,
  authorizationScenariosOf,
  runClientScenario,
} from "./suite.ts";

const command = `"${process.execPath}" "${inRoot("test/conformance/authorized-through-gateway.ts")}"`;

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway({
    settings: {
      // The scenarios' servers are on this machine, under its name and both its addresses.
      outbound: { allow: ["localhost:*"] },
      connections: {
        client_metadata_url: "https://conformance-test.local/client-metadata.json",
      },
    },
  });
}, 120_000);

afterAll(async () => {
  await gateway?.stop();
}, 60_000);

const titled = authorizationScenarios.map((scenario) => ({
  title: `${scenario.scenario} at ${scenario.revision ?? "no revision"}`,
  scenario,
}));

test.each(titled)(
  "$title: every check passes",
  async ({ scenario }) => {
    const checks = await runClientScenario(scenario, command, {
      SIGNALBOX_URL: gateway.url,
      SIGNALBOX_KEY: gateway.key,
    });
    const bad = checks.filter(({ status }) => status === "FAILURE" || status === "WARNING");
    expect(bad).toEqual([]);
    expect(checks.filter(({ status }) => status === "SUCCESS")).not.toEqual([]);
  },
  120_000,
);

test.each(["2025-11-25", "2026-07-28"])(
  "%s: everything that is scored is played",
  async (revision) => {
    const scored = await authorizationScenariosOf(revision);
    const played = authorizationScenarios.filter((one) => one.revision === revision);
    expect(scored.length).toBeGreaterThan(10);
    expect(played.map(({ scenario }) => scenario)).toEqual(
      expect.arrayContaining(scored.map((name) => `auth/${name}`)),
    );
  },
);

test("what is not played is named in the documentation, with the reason", async () => {
  const all = await authorizationScenariosOf();
  const played = new Set(authorizationScenarios.map(({ scenario }) => scenario));
  const left = all.filter((name) => !played.has(`auth/${name}`));
  expect(left.toSorted()).toEqual(authorizationLeft);
  const page = await readFile(inRoot("docs/connections.md"), "utf8");
  for (const name of left) expect(page).toMatch(new RegExp(`\\| \`${name}\` +\\| \\S`));
});
