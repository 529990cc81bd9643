import { describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { fakeHttpServer, json } from "../upstream/transports/fake-http-server.ts";
import { bundleOptions } from "./options.ts";
import {
  bundle,
  modern,
  remote,
  runGateway,
  until,
  type RunningGateway,
} from "./running-gateway.ts";
import { Selection } from "./selection.ts";

function selection(options: object): Selection {
  return new Selection(bundleOptions.parse(options));
}

describe("patterns", () => {
  test("everything is taken where there is no bundle", () => {
    expect(new Selection(undefined).takesName("files", "read", "files__read")).toBe(true);
    expect(new Selection(undefined).takesUri("files", "file:///a/../b")).toBe(true);
  });

  test("a star stands for anything, at any place and any number of times", () => {
    const some = selection({ include: ["a__*x*y", "b__one"] });
    const takes = (server: string, name: string): boolean =>
      some.takesName(server, name, `${server}__${name}`);
    expect(takes("a", "xy")).toBe(true);
    expect(takes("a", "1x2y3y")).toBe(true);
    expect(takes("a", "1x2y3")).toBe(false);
    expect(takes("a", "yx")).toBe(false);
    expect(takes("b", "one")).toBe(true);
    expect(takes("b", "one1")).toBe(false);
    expect(selection({ include: ["a__*aa"] }).takesName("a", "a", "a__a")).toBe(false);
    expect(selection({ include: ["a__a*a"] }).takesName("a", "a", "a__a")).toBe(false);
  });

  test("a name is matched as the server writes it and as clients see it", () => {
    const some = selection({ exclude: ["fs__fs.write", "fs__fs_read_17e8498b"] });
    expect(some.takesName("fs", "fs.write", "fs__fs_write_00000000")).toBe(false);
    expect(some.takesName("fs", "fs.read", "fs__fs_read_17e8498b")).toBe(false);
    expect(some.takesName("fs", "fs.list", "fs__fs_list_11111111")).toBe(true);
  });

  test("a long text with many beginnings of a match is no work", () => {
    const some = selection({ include: ["*secret*key*word"] });
    expect(some.takesUri("a", "secretkey".repeat(100_000))).toBe(false);
  });

  test("a URI cannot climb out of what is included", () => {
    const some = selection({ include: ["fs__file:///public/*"] });
    expect(some.takesUri("fs", "file:///public/a..b/c.txt")).toBe(true);
    for (const uri of [
      "file:///public/../secret",
      "file:///public/./../secret",
      "file:///public/%2e%2e/secret",
      "file:///public/.%2E/secret",
      "file:///public/..%2fsecret",
      String.raw`file:///public/..\secret`,
      "file:///public/x/..",
      "file:///secret",
    ]) {
      expect([uri, some.takesUri("fs", uri)]).toEqual([uri, false]);
    }
  });

  test("a URI that is excluded stays so in its other spellings", () => {
    const some = selection({ exclude: ["fs__file:///secret/*"] });
    expect(some.takesUri("fs", "file:///public/a%zz")).toBe(true);
    for (const uri of [
      "file:///secret/a",
      "FILE:///secret/a",
      "file://localhost/secret/a",
      "file:///%73ecret/a",
      "file:///secret%2Fa",
      "file:///x/../secret/a",
    ]) {
      expect([uri, some.takesUri("fs", uri)]).toEqual([uri, false]);
    }
  });
});

describe("what a bundle leaves out", () => {
  async function start(options: object): Promise<{ running: RunningGateway; watched: string[] }> {
    const watched: string[] = [];
    const upstream = await fakeHttpServer(({ message }, response) => {
      const { id, method, params } = requestOf.parse(message);
      if (method === "subscriptions/listen") {
        watched.push(...(params?.notifications?.resourceSubscriptions ?? []));
        return;
      }
      json(response, {
        jsonrpc: "2.0",
        id,
        result: { resultType: "complete", ...answers(method) },
      });
    });
    const running = await runGateway({
      servers: [remote("fs", upstream.url, { protocol_era: "modern" })],
      bundles: [bundle("some", options)],
    });
    onTestFinished(() => upstream.close());
    onTestFinished(() => running.close());
    return { running, watched };
  }

  for (const options of [
    { include: ["fs__file:///public/*"] },
    { include: ["fs__file:///public/*"], names: "bare" },
    { include: ["fs__*"], exclude: ["fs__file:///secret/*"] },
  ]) {
    test(`cannot be read or completed by the server's own URI: ${JSON.stringify(options)}`, async () => {
      const { running } = await start(options);
      const url = `${running.url}/mcp/some`;
      for (const uri of ["file:///secret/a", "signalbox://fs/file:///secret/a"]) {
        if ("names" in options && uri.startsWith("signalbox:")) continue;
        const read = await (await modern(url, "resources/read", { uri })).whole();
        expect([uri, read.error["code"]]).toEqual([uri, -32_602]);
        const ref = { type: "ref/resource", uri };
        const argument = { name: "a", value: "" };
        const completed = await (
          await modern(url, "completion/complete", { ref, argument })
        ).whole();
        expect([uri, completed.error["code"]]).toEqual([uri, -32_602]);
      }
      const allowed = await (
        await modern(url, "resources/read", { uri: "file:///public/a" })
      ).whole();
      expect(allowed.result).toHaveProperty("contents");
    });
  }

  test("cannot be watched", async () => {
    const { running, watched } = await start({ include: ["fs__file:///public/*"] });
    const resourceSubscriptions = [
      "signalbox://fs/file:///secret/a",
      "signalbox://fs/file:///public/a",
    ];
    const listening = await modern(`${running.url}/mcp/some`, "subscriptions/listen", {
      notifications: { resourceSubscriptions },
    });
    await until("the server hears of it", () => watched.length > 0);
    expect([...new Set(watched)]).toEqual(["file:///public/a"]);
    listening.leave();
  });
});

const requestOf = z.looseObject({
  id: z.unknown().optional(),
  method: z.string(),
  params: z
    .looseObject({
      notifications: z.looseObject({ resourceSubscriptions: z.array(z.string()) }).optional(),
    })
    .optional(),
});

function answers(method: string): object {
  switch (method) {
    case "server/discover":
      return {
        supportedVersions: ["2026-07-28"],
        capabilities: { resources: { subscribe: true }, completions: {} },
      };
    case "resources/list":
      return {
        resources: [
          { uri: "file:///public/a", name: "a" },
          { uri: "file:///secret/a", name: "s" },
        ],
      };
    case "resources/templates/list":
      return { resourceTemplates: [] };
    case "resources/read":
      return { contents: [{ uri: "file:///public/a", text: "a" }] };
    default:
      return { completion: { values: [] } };
  }
}
