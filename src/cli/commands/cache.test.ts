import { expect, test } from "vitest";
import { againstFakeApi } from "../fake-run.ts";

const cli = againstFakeApi();
const { run } = cli;

const figures = {
  enabled: true,
  keys: 12,
  bytes: 48_210,
  hits: 950,
  misses: 50,
  staleHits: 3,
  joined: 7,
  hitRate: 0.95,
  evictions: { ttl: 4 },
};

test("show tells what the cache holds and how often it helps", async () => {
  cli.api.answer({ "GET /api/cache": [200, figures] });
  for (const argv of [["cache"], ["cache", "show"]])
    expect(await run(...argv)).toEqual({
      code: 0,
      stdout: "12 answers, 48210 bytes\n950 hits, 50 misses, 95.0 % hits\n",
      stderr: "",
    });
  expect(JSON.parse((await run("cache", "show", "--json")).stdout)).toEqual(figures);
});

test("show says nothing of a hit rate before anything was looked up", async () => {
  const { hitRate: _unknown, ...others } = { ...figures, hits: 0, misses: 0 };
  cli.api.answer({ "GET /api/cache": [200, others] });
  expect((await run("cache")).stdout).toBe("12 answers, 48210 bytes\n0 hits, 0 misses\n");
});

test("show says that the cache is switched off", async () => {
  cli.api.answer({ "GET /api/cache": [200, { ...figures, enabled: false }] });
  expect((await run("cache")).stdout).toBe("The cache is switched off.\n");
});

test("clear forgets everything, or what is kept of a server, a tool or a resource of it", async () => {
  cli.api.answer({ "POST /api/cache/clear": [200, { cleared: 3 }] });
  expect(await run("cache", "clear")).toEqual({
    code: 0,
    stdout: "3 answers forgotten.\n",
    stderr: "",
  });
  await run("cache", "clear", "--server", "files");
  await run("cache", "clear", "--server", "files", "--tool", "read");
  const { stdout } = await run("cache", "clear", "--server", "a", "--uri", "file:///a b", "--json");
  expect(JSON.parse(stdout)).toEqual({ cleared: 3 });
  expect(cli.api.requests.map(({ body }) => body)).toEqual([
    {},
    { server: "files" },
    { server: "files", tool: "read" },
    { server: "a", uri: "file:///a b" },
  ]);
});

test("a single answer is one answer", async () => {
  cli.api.answer({
    "GET /api/cache": [200, { ...figures, keys: 1, bytes: 1, hits: 1, misses: 1 }],
    "POST /api/cache/clear": [200, { cleared: 1 }],
  });
  expect((await run("cache")).stdout).toContain("1 answer, 1 byte\n1 hit, 1 miss, ");
  expect((await run("cache", "clear")).stdout).toBe("1 answer forgotten.\n");
});

test("a tool or resource without its server is refused by the gateway, and ends with 2", async () => {
  const message = "Name the server of the tool or resource, too.";
  cli.api.answer({ "POST /api/cache/clear": [400, { code: "BODY_INVALID", message }] });
  const { code, stdout, stderr } = await run("cache", "clear", "--tool", "read");
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toContain(message);
});
