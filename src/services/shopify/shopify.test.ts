import { fakeClock, hostService, textOf } from "@signalbox/kit/testing";
import { expect, onTestFinished, test } from "vitest";
import { graphqlContract, withVendor } from "../../../test/support/vendor-contracts.ts";
import { documents } from "./documents.ts";
import { fakeShopify } from "./fake-shopify.ts";
import { shopify } from "./index.ts";
import { onlyReads } from "./read-tools.ts";

const lamp = "gid://shopify/InventoryItem/1";
const place = "gid://shopify/Location/1";
const aProduct = { id: "gid://shopify/Product/1" };

function hosted(settings: Record<string, unknown> = { access_token: "lasting" }) {
  const clock = fakeClock();
  const vendor = fakeShopify(clock);
  const host = hostService(shopify, { shop: "faro", ...settings }, { fetch: vendor.fetch, clock });
  onTestFinished(() => host.service.close());
  return { host, clock, ...vendor };
}

const schema = "graphql/shopify-admin-2026-10.graphql.gz";
withVendor(schema)("Shopify", () => {
  test("every document fits the Admin API of 2026-10", () => {
    const contract = graphqlContract(schema);
    for (const document of Object.values(documents))
      expect(() => contract.check(document)).not.toThrow();
  });
});

test.each([
  ["shop_info", {}, { name: "Faro" }],
  ["get_order", { id: "gid://shopify/Order/1" }, { name: "#1", moreLines: false }],
  ["list_products", {}, { products: [{ title: "Lamp" }] }],
  ["get_product", aProduct, { title: "Lamp", variants: [] }],
  ["list_customers", {}, { customers: [] }],
  [
    "graphql_query",
    { query: "query { shop { id } }" },
    { data: { shop: { id: "gid://shopify/Shop/1" } } },
  ],
  [
    "fulfill_order",
    { fulfillmentOrderId: "gid://shopify/FulfillmentOrder/1" },
    { status: "SUCCESS" },
  ],
  ["bulk_export", { query: "{ orders { edges { node { id } } } }" }, { status: "CREATED" }],
  ["bulk_status", { id: "gid://shopify/BulkOperation/1" }, { status: "COMPLETED" }],
])("%s answers in its form", async (name, input, expected) => {
  expect(await hosted().host.ask(name, input)).toMatchObject(expected);
});

test("list_orders goes on where the page before ended, and asks since when", async () => {
  const { host, seen } = hosted();
  const first = await host.ask("list_orders", {
    first: 2,
    query: "a OR b",
    updatedSince: "2026-11-01T00:00:00Z",
  });
  expect(first).toMatchObject({ orders: [{ name: "#1" }, { name: "#2" }], next: "2" });
  expect(seen[0]?.text).toContain("(a OR b) AND updated_at:>='2026-11-01T00:00:00Z'");
  const second = await host.ask("list_orders", { first: 2, after: "2" });
  expect(second).toMatchObject({ orders: [{ name: "#3" }] });
  expect(second).not.toHaveProperty("next");
});

test("an order that is not there is said to be missing", async () => {
  const result = await hosted().host.call("get_order", { id: "gid://shopify/Order/9" });
  expect(textOf(result)).toContain("(NOT_FOUND)");
});

test("set_inventory changes the stock once per key, and refuses a stale quantity", async () => {
  const { host } = hosted();
  const set = (quantity: number, changeFromQuantity: number, idempotencyKey: string) =>
    host.call("set_inventory", {
      items: [{ inventoryItemId: lamp, locationId: place, quantity, changeFromQuantity }],
      idempotencyKey,
    });
  expect((await set(7, 0, "k1")).isError).not.toBe(true);
  expect((await set(7, 0, "k1")).isError).not.toBe(true);
  expect(textOf(await set(8, 7, "k1"))).toContain("key was used with other input");
  expect(textOf(await set(9, 0, "k2"))).toContain("quantity has changed");
  expect(await host.ask("inventory_levels", { id: lamp })).toMatchObject({
    levels: [{ quantities: [{ name: "available", quantity: 7 }] }],
  });
});

test("update_product changes it, and a user error is a failure", async () => {
  const { host } = hosted();
  expect(await host.ask("update_product", { ...aProduct, title: "Torch" })).toMatchObject({
    title: "Torch",
    vendor: "Faro",
  });
  const result = await host.call("update_product", { ...aProduct, title: "taken" });
  expect(result.isError).toBe(true);
  expect(textOf(result)).toContain("input: is taken");
});

test("THROTTLED waits until the missing points are restored", async () => {
  const { host, shop, clock, seen } = hosted();
  shop.available = 0;
  const asked = host.ask("shop_info", {});
  await clock.advance(450);
  expect(seen).toHaveLength(1);
  await clock.advance(100);
  expect(await asked).toMatchObject({ name: "Faro" });
  expect(seen).toHaveLength(2);
});

test("client credentials give a token that is renewed when it ends or is refused", async () => {
  const { host, shop, clock } = hosted({ client_id: "app", client_secret: "s" });
  await host.ask("shop_info", {});
  await host.ask("shop_info", {});
  expect(shop.granted).toBe(1);
  await clock.advance(86_400_000);
  await host.ask("shop_info", {});
  expect(shop.granted).toBe(2);
  shop.tokens.clear();
  await host.ask("shop_info", {});
  expect(shop.granted).toBe(3);
});

test("only queries are let through, whatever hides the mutation", async () => {
  const { host, seen } = hosted();
  const result = await host.call("graphql_query", { query: "mutation { x }" });
  expect(result.isError).toBe(true);
  expect(seen).toHaveLength(0);
  expect(onlyReads('query { a(x: "}") { mutation } }')).toBe(true);
  expect(onlyReads('query { a(x: "{") } # {\nmutation { b }')).toBe(false);
  expect(onlyReads('query { a(x: """ \\""" { """) } mutation { b }')).toBe(false);
});

test("settings name the variables that are missing", () => {
  const { settings } = shopify;
  expect(settings.missing(settings.options.parse({}))).toHaveLength(2);
  expect(settings.missing(settings.options.parse({ shop: "faro", access_token: "t" }))).toEqual([]);
});

test("an answer in another version than was asked for is told by the health", async () => {
  const { host, shop } = hosted();
  const signal = new AbortController().signal;
  await host.ask("shop_info", {});
  expect(await host.service.health(signal)).toMatchObject({ status: "ok" });
  shop.answersWith = "2027-01";
  expect(await host.service.health(signal)).toMatchObject({
    status: "degraded",
    message: expect.stringContaining("version 2027-01 instead of 2026-10"),
  });
});
