import { expect, test } from "vitest";
import { z } from "zod";
import { fakeClock } from "../testing/fake-clock.ts";
import { fakeFetch, jsonResponse, type SeenRequest } from "../testing/fake-fetch.ts";
import { GraphqlClient } from "./graphql-client.ts";
import { createRestClient, takeUpTo } from "./rest-client.ts";

const connection = z.object({
  nodes: z.array(z.number()),
  pageInfo: z.object({ hasNextPage: z.boolean(), endCursor: z.string() }),
});

const { signal } = new AbortController();

function clientOf(answer: (request: SeenRequest, index: number) => object, status = 200) {
  const clock = fakeClock();
  const vendor = fakeFetch((request, index) => jsonResponse(answer(request, index), { status }));
  const rest = createRestClient({
    vendor: "Shop",
    baseUrl: "https://shop.example/graphql.json",
    fetch: vendor.fetch,
    clock,
    random: () => 1,
    plans: [{ name: "points", limit: 100, windowMs: 1_000, burst: 2000 }],
  });
  return { client: new GraphqlClient({ rest }), clock, seen: vendor.seen };
}

const cost = (currentlyAvailable: number, requestedQueryCost = 100) => ({
  requestedQueryCost,
  throttleStatus: { maximumAvailable: 2000, currentlyAvailable, restoreRate: 100 },
});

test("a query goes to the base URL itself, and its data comes back", async () => {
  const { client, seen } = clientOf(() => ({ data: { shop: { name: "A" } } }));
  const data = await client.query({ document: "{ shop { name } }", variables: { a: 1 }, signal });
  expect(data).toEqual({ shop: { name: "A" } });
  expect(seen[0]).toMatchObject({
    path: "/graphql.json",
    json: { query: "{ shop { name } }", variables: { a: 1 } },
  });
});

test("errors that are null are none", async () => {
  const { client } = clientOf(() => ({ data: { x: 1 }, errors: null }));
  expect(await client.query({ document: "{ x }", signal })).toEqual({ x: 1 });
});

test("errors in an answer of HTTP 200 are failures", async () => {
  const { client } = clientOf(() => ({ data: null, errors: [{ message: "no such field" }] }));
  await expect(client.query({ document: "{ x }", signal })).rejects.toMatchObject({
    kind: "non_retryable",
    message: "Shop refused this: no such field",
  });
});

test("a throttled mutation waits until its points are there, and is sent again", async () => {
  const { client, clock, seen } = clientOf((_request, index) =>
    index === 0
      ? {
          errors: [{ message: "Throttled", extensions: { code: "THROTTLED" } }],
          extensions: { cost: cost(0, 400) },
        }
      : { data: { done: true }, extensions: { cost: cost(1600, 400) } },
  );
  const asked = client.query({ document: "mutation { done }", cost: 400, signal });
  await clock.advance(3_900);
  expect(seen).toHaveLength(1);
  await clock.advance(100);
  expect(await asked).toEqual({ done: true });
  expect(client.rateStatus()).toMatchObject([{ limit: 2000, remaining: 1600 }]);
});

test.each([
  ["query { a }", 3],
  ["{ a }", 3],
  ["mutation M { a }", 1],
  ["# a comment\n mutation M { a }", 1],
])("after HTTP 502 %j is sent %i times", async (document, times) => {
  const { client, clock, seen } = clientOf(() => ({}), 502);
  const asked = client.query({ document, signal }).catch((error: unknown) => error);
  await clock.advance(30_000);
  expect(await asked).toMatchObject({ kind: "retryable" });
  expect(seen).toHaveLength(times);
});

test("what is not GraphQL is a failure of the vendor's", async () => {
  const { client } = clientOf(() => ({ hello: "world" }));
  await expect(client.query({ document: "{ a }", signal })).rejects.toMatchObject({
    code: "VENDOR_ANSWER",
  });
});

test("a connection is read page by page up to what is asked for", async () => {
  const { client, seen } = clientOf(({ json }, index) => ({
    data: {
      orders: {
        nodes: [index * 2, index * 2 + 1],
        pageInfo: { hasNextPage: true, endCursor: `c${index}` },
      },
      asked: json,
    },
  }));
  const orders = client.pages(
    { document: "query($after: String) { orders(after: $after) { nodes } }", signal },
    {
      connection: ({ orders: found }) => connection.parse(found),
      itemsMax: 3,
    },
  );
  expect((await takeUpTo(orders, 10)).items).toEqual([0, 1, 2]);
  expect(seen.map(({ json }) => json)).toMatchObject([
    { variables: {} },
    { variables: { after: "c0" } },
  ]);
});
