import { fakeClock, hostService, jsonResponse, textOf } from "@signalbox/kit/testing";
import type { GraphQLSchema } from "graphql";
import { describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { graphqlContract, withVendor } from "../../../test/support/vendor-contracts.ts";
import { documents } from "./documents.ts";
import { FakeRailway } from "./fake-railway.ts";
import { railway } from "./index.ts";

function facts(schema?: () => GraphQLSchema): void {
  function hosted(options: Record<string, unknown> = {}) {
    const vendor = new FakeRailway(schema?.());
    const clock = fakeClock();
    const host = hostService(
      railway,
      { token: vendor.accountToken, project_id: "p0", environment_id: "e1", ...options },
      { fetch: vendor.web.fetch, clock },
    );
    onTestFinished(() => host.service.close());
    const said = async (tool: string, args: unknown = {}): Promise<string> => {
      const result = await host.call(tool, args);
      expect(result.isError).toBe(true);
      return textOf(result);
    };
    return { vendor, clock, host, said };
  }

  test("project_list reads as many pages as it needs and says whether there is more", async () => {
    const { host } = hosted();
    expect(await host.ask("project_list")).toMatchObject({
      projects: [{ id: "p0", name: "project 0" }, {}, {}],
      more: false,
    });
    expect(await host.ask("project_list", { limit: 2 })).toMatchObject({
      projects: [{}, {}],
      more: true,
    });
  });

  test("a project's token is recognised, goes in its own header, and says which project is meant", async () => {
    const { host, vendor } = hosted({
      token: "project-token-of-tests",
      project_id: undefined,
      environment_id: undefined,
    });
    expect(await host.ask("whoami")).toEqual({
      kind: "project",
      projectId: "p0",
      environmentId: "e1",
    });
    expect(await host.ask("project_list")).toMatchObject({ projects: [{ id: "p0" }], more: false });
    expect(await host.ask("service_list")).toMatchObject({
      services: [{ id: "s1", environmentId: "e1" }, {}],
    });
    expect(vendor.web.seen.every(({ headers }) => headers["authorization"] === undefined)).toBe(
      true,
    );
  });

  test("whoami tells an account with its workspaces, and a workspace's token", async () => {
    expect(await hosted().host.ask("whoami")).toMatchObject({
      kind: "account",
      account: { email: "ana@example.com" },
      workspaces: [{ id: "w1" }],
    });
    expect(await hosted({ api_token: "workspace-token-of-tests" }).host.ask("whoami")).toEqual({
      kind: "workspace",
    });
  });

  test("a token that Railway does not know is told without being shown", async () => {
    const sentence = await hosted({ token: "wrong-token" }).said("whoami");
    expect(sentence).toContain("Not Authorized");
    expect(sentence).not.toContain("wrong-token");
  });

  test("service_list names an environment for each service: the usual one, else the first, else none", async () => {
    const services = [
      {
        id: "s1",
        name: "service s1",
        environmentId: "e1",
        environments: [
          { environmentId: "e2", deploymentId: "d0", status: "SUCCESS" },
          { environmentId: "e1" },
        ],
      },
      { id: "s2", environmentId: null, environments: [] },
    ];
    expect(await hosted().host.ask("service_list")).toMatchObject({ services, more: false });
    const { host } = hosted({ environment_id: undefined });
    expect(await host.ask("service_list")).toMatchObject({
      services: [{ environmentId: "e2" }, {}],
    });
  });

  test("environment_list and domain_list tell names and addresses", async () => {
    const { host } = hosted();
    expect(await host.ask("environment_list")).toMatchObject({
      environments: [{ id: "e1", name: "production" }, { id: "e2" }],
    });
    expect(await host.ask("domain_list", { serviceId: "s1" })).toMatchObject({
      railway: [{ domain: "shop.up.railway.app" }],
      custom: [{ domain: "shop.example.com" }],
    });
  });

  test("without a project or an environment in the call, settings or token the caller is asked for one", async () => {
    const { said } = hosted({ project_id: undefined, environment_id: undefined });
    expect(await said("service_list")).toContain("project_list names them. (ARGUMENTS_INVALID)");
    expect(await said("deployment_trigger", { serviceId: "s1" })).toContain("(ARGUMENTS_INVALID)");
  });

  test("deployment_trigger begins a deployment of a commit, and deployment_wait sees it go live", async () => {
    const { host, clock, vendor } = hosted();
    const { id } = z
      .object({ id: z.string() })
      .parse(await host.ask("deployment_trigger", { serviceId: "s1", commitSha: "abcdef1" }));
    expect(vendor.web.seen.at(-1)?.json).toMatchObject({
      variables: { serviceId: "s1", environmentId: "e1", commitSha: "abcdef1" },
    });
    const told: unknown[] = [];
    const waited = host.call(
      "deployment_wait",
      { deploymentId: id },
      { progress: (_done, _total, message) => told.push(message) },
    );
    await clock.advance(60_000);
    expect((await waited).structuredContent).toMatchObject({
      status: "SUCCESS",
      terminal: true,
      succeeded: true,
      timedOut: false,
      waitedMs: 9_500,
    });
    expect(told).toEqual(["QUEUED", "BUILDING", "DEPLOYING", "SUCCESS"]);
  });

  test.each([
    ["SUCCESS", true],
    ["SLEEPING", true],
    ["FAILED", false],
    ["CRASHED", false],
    ["REMOVED", false],
    ["SKIPPED", false],
  ])("deployment_wait ends with %s", async (status, succeeded) => {
    const { host, vendor } = hosted();
    const { id } = vendor.begin([status]);
    expect(await host.ask("deployment_wait", { deploymentId: id })).toMatchObject({
      status,
      terminal: true,
      succeeded,
      timedOut: false,
    });
  });

  test.each([
    "QUEUED",
    "INITIALIZING",
    "WAITING",
    "NEEDS_APPROVAL",
    "BUILDING",
    "DEPLOYING",
    "REMOVING",
  ])("deployment_wait goes on while it is %s, and ends at its deadline", async (status) => {
    const { host, clock, vendor } = hosted();
    const { id } = vendor.begin([status]);
    const waited = host.ask("deployment_wait", { deploymentId: id, timeoutMs: 30_000 });
    await clock.advance(30_000);
    expect(await waited).toMatchObject({
      status,
      terminal: false,
      timedOut: true,
      waitedMs: 30_000,
      hint: expect.any(String),
    });
    expect(vendor.web.seen.length).toBeLessThan(12);
  });

  test("deployment_wait ends when the caller gives up", async () => {
    const { host, clock, vendor } = hosted();
    const { id } = vendor.begin(["BUILDING"]);
    const caller = new AbortController();
    const waited = host.call("deployment_wait", { deploymentId: id }, { signal: caller.signal });
    await clock.advance(5_000);
    caller.abort(new Error("gone"));
    await expect(waited).rejects.toThrow("gone");
  });

  test("deployment_status tells how it stands, and one that is not there is named as such", async () => {
    const { host, vendor, said } = hosted();
    const { id } = vendor.begin(["BUILDING"]);
    expect(await host.ask("deployment_status", { deploymentId: id })).toMatchObject({
      id,
      status: "BUILDING",
      terminal: false,
      succeeded: false,
    });
    expect(await said("deployment_status", { deploymentId: "d99" })).toContain(
      "Deployment not found",
    );
  });

  test("deployment_list has those of a service and a status", async () => {
    const { host, vendor } = hosted();
    for (const state of ["FAILED", "SUCCESS", "CRASHED"]) vendor.begin([state]);
    vendor.begin(["FAILED"], "s2");
    const found = await host.ask("deployment_list", {
      serviceId: "s1",
      status: ["FAILED", "CRASHED"],
    });
    expect(found).toMatchObject({
      deployments: [{ status: "CRASHED" }, { status: "FAILED" }],
      more: false,
    });
    expect(await host.ask("deployment_list", { limit: 3 })).toMatchObject({
      deployments: [{}, {}, {}],
      more: true,
    });
  });

  test("deployment_logs reads the build, what runs, and requests, and says where to go on", async () => {
    const { host } = hosted();
    const read = (type: string, more = {}) =>
      host.ask("deployment_logs", { deploymentId: "d1", type, ...more });
    expect(await read("build")).toMatchObject({
      lines: [{ message: "building" }, { message: "built" }],
      last: "2026-01-01T00:00:00.000Z",
    });
    expect(
      await read("deploy", { since: "2026-01-01T00:00:00Z", filter: "@level:error" }),
    ).toMatchObject({ lines: [{ severity: "info" }] });
    expect(await read("http")).toMatchObject({
      lines: [{ message: "GET /health", status: 200, durationMs: 12 }],
    });
  });

  test("a deployment is deployed again, restarted, gone back to and cancelled where that is possible", async () => {
    const { host, vendor, said } = hosted();
    const live = vendor.begin(["SUCCESS"]);
    const old = vendor.begin(["REMOVED"]);
    const building = vendor.begin(["BUILDING"]);
    const skipped = vendor.begin(["SKIPPED"]);
    expect(await host.ask("deployment_redeploy", { deploymentId: live.id })).toMatchObject({
      status: "QUEUED",
    });
    expect(await said("deployment_redeploy", { deploymentId: skipped.id })).toContain(
      "cannot be deployed again",
    );
    expect(await host.ask("deployment_restart", { deploymentId: live.id })).toMatchObject({
      done: true,
    });
    expect(await host.ask("deployment_rollback", { deploymentId: old.id })).toMatchObject({
      done: true,
    });
    expect(await said("deployment_rollback", { deploymentId: live.id })).toContain(
      "cannot be gone back to",
    );
    expect(await host.ask("deployment_cancel", { deploymentId: building.id })).toMatchObject({
      done: true,
    });
    expect(await said("deployment_cancel", { deploymentId: live.id })).toContain(
      "is SUCCESS and cannot be cancelled",
    );
  });

  test("variables are listed by name, their values never asked for", async () => {
    const { host, vendor } = hosted();
    const listed = await host.ask("variable_list", { search: "mcp" });
    expect(listed).toMatchObject({
      variables: [{ name: "MCP_KEY", value: "***", serviceId: "s1", sealed: false }],
      more: false,
    });
    expect(vendor.web.seen.some(({ text }) => /\bvalue\b/.test(text))).toBe(false);
    expect(await host.ask("variable_list", { serviceId: "s2" })).toMatchObject({ variables: [] });
  });

  test("variables are set and deleted by name, and their values are not told", async () => {
    const { host, vendor, said } = hosted();
    const set = await host.ask("variable_set", {
      variables: { TOKEN: "very-secret" },
      skipDeploys: true,
    });
    expect(set).toEqual({ set: ["TOKEN"], deploys: false });
    expect(vendor.variables.get("TOKEN")).toBe("very-secret");
    expect(await host.ask("variable_delete", { name: "TOKEN" })).toEqual({ deleted: "TOKEN" });
    expect(vendor.variables.has("TOKEN")).toBe(false);
    expect(await said("variable_set", { variables: {} })).toContain("must have at least one");
  });

  test("a vendor that asks for fewer requests is waited for, a deployment included, since it was not begun", async () => {
    const { clock, vendor, host } = hosted({ api_token: "account-token-of-tests" });
    vendor.next.push(
      jsonResponse({ message: "slow down" }, { status: 429, headers: { "retry-after": "4" } }),
    );
    const asked = host.ask("deployment_trigger", { serviceId: "s1" });
    await clock.advance(3_900);
    expect(vendor.deployments).toHaveLength(0);
    await clock.advance(200);
    expect(await asked).toMatchObject({ id: "d1" });
  });

  test("a deployment of which nobody knows whether it was begun is not begun again", async () => {
    const { vendor, said } = hosted({ api_token: "account-token-of-tests" });
    vendor.next.push(jsonResponse({}, { status: 502 }));
    await said("deployment_trigger", { serviceId: "s1" });
    expect(vendor.web.seen).toHaveLength(1);
  });

  test("an answer in another form is told as such", async () => {
    const { vendor, said } = hosted({ api_token: "account-token-of-tests" });
    vendor.next.push(jsonResponse({ data: { projects: { edges: [{ node: { id: 7 } }] } } }));
    expect(await said("project_list")).toContain("(VENDOR_ANSWER)");
  });

  test("its health is Railway's answer", async () => {
    const { host } = hosted();
    await host.ask("whoami");
    expect(await host.service.health?.(AbortSignal.timeout(1_000))).toMatchObject({ status: "ok" });
  });
}

describe("with a double", () => {
  facts();
});

withVendor("graphql/railway.graphql")("by Railway's own schema", () => {
  const contract = graphqlContract("graphql/railway.graphql");

  facts(() => contract.schema);

  test.each(Object.entries(documents))("the document %s is valid", (_name, document) => {
    expect(() => contract.check(document)).not.toThrow();
  });
});

test("settings without a token say which variable to set", () => {
  const { settings } = railway;
  expect(settings.missing(settings.options.parse({}))).toEqual([
    "RAILWAY_TOKEN, or RAILWAY_API_TOKEN",
  ]);
  expect(settings.missing(settings.options.parse({ api_token: "t" }))).toEqual([]);
});
