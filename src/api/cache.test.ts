// What the API shows of the answers that are kept, and how they are forgotten.
import { expect, test } from "vitest";
import { startApi, type Fixture } from "../../test/support/api-over-http.ts";
import type { CachePort } from "./ports.ts";

/** A cache of which only what it was asked is known. */
class Asked implements CachePort {
  readonly cleared: unknown[] = [];
  hitRate: number | undefined;

  statistics(): ReturnType<CachePort["statistics"]> {
    return {
      enabled: true,
      keys: 3,
      bytes: 1_200,
      hits: 6,
      misses: 2,
      staleHits: 1,
      joined: 4,
      hitRate: this.hitRate,
      evictions: { size: 5, ttl: 1 },
    };
  }
  statisticsOf(): undefined {
    return undefined;
  }

  clear(which: Parameters<CachePort["clear"]>[0]): number {
    this.cleared.push(which);
    return this.cleared.length;
  }
}

async function scene(): Promise<Fixture & { cache: Asked }> {
  const cache = new Asked();
  return { ...(await startApi({ cache })), cache };
}

test("the cache tells what it holds, and its hit rate once something was looked up", async () => {
  const { ask, cache } = await scene();
  const figures = {
    enabled: true,
    keys: 3,
    bytes: 1_200,
    hits: 6,
    misses: 2,
    staleHits: 1,
    joined: 4,
    evictions: { size: 5, ttl: 1 },
  };
  const { status, json } = await ask("operator", "GET", "/api/cache");
  expect([status, json]).toEqual([200, figures]);
  cache.hitRate = 0.75;
  expect((await ask("operator", "GET", "/api/cache")).json).toEqual({ ...figures, hitRate: 0.75 });
});

test("everything is forgotten, or what is kept of a server, a tool or a resource of it", async () => {
  const { ask, cache } = await scene();
  const uri = "file:///a?b=c";
  const bodies = [
    undefined,
    {},
    { server: "files" },
    { server: "files", tool: "read" },
    { server: "files", uri },
  ];
  for (const [index, body] of bodies.entries()) {
    const { status, json } = await ask("operator", "POST", "/api/cache/clear", body);
    expect([status, json]).toEqual([200, { cleared: index + 1 }]);
  }
  const all = { server: undefined, tool: undefined, uri: undefined };
  expect(cache.cleared).toEqual([
    all,
    all,
    { ...all, server: "files" },
    { ...all, server: "files", tool: "read" },
    { ...all, server: "files", uri },
  ]);
});

test.each([
  [{ tool: "read" }],
  [{ uri: "file:///a" }],
  [{ server: "" }],
  [{ server: 1 }],
  [{ server: "files", name: "read" }],
  [{ server: "files", tool: "read", uri: "file:///a" }],
  [["files"]],
])("clearing %j is refused, and nothing is forgotten", async (body) => {
  const { ask, cache } = await scene();
  const { status, json } = await ask("operator", "POST", "/api/cache/clear", body);
  expect([status, json.code]).toEqual([400, "BODY_INVALID"]);
  expect(cache.cleared).toEqual([]);
});

test("a caller's key neither sees the cache nor clears it", async () => {
  const { ask, cache } = await scene();
  const shown = await ask("caller", "GET", "/api/cache");
  expect(shown.json).toMatchObject({ code: "FORBIDDEN", details: { scope: "read" } });
  const cleared = await ask("caller", "POST", "/api/cache/clear", {});
  expect(cleared.json).toMatchObject({ code: "FORBIDDEN", details: { scope: "operate" } });
  expect(cache.cleared).toEqual([]);
});
