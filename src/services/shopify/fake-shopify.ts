// A Shopify of one shop for tests: tokens that end, a bucket of points, stock that changes, and keys that are taken once.
import { fakeFetch, jsonResponse, type fakeClock } from "@signalbox/kit/testing";
import { z } from "zod";
import { documents } from "./documents.ts";

const stockInput = z.object({
  quantities: z.array(
    z.object({
      inventoryItemId: z.string(),
      quantity: z.number(),
      changeFromQuantity: z.number().nullable(),
    }),
  ),
});
const variablesShape = z.object({
  id: z.string().optional(),
  first: z.number().default(25),
  after: z.string().optional(),
  key: z.string().default(""),
  input: stockInput.default({ quantities: [] }),
  product: z.record(z.string(), z.unknown()).default({}),
});
type Variables = z.output<typeof variablesShape>;
const body = z.object({ query: z.string(), variables: variablesShape.prefault({}) });

/** What a test may see and change. */
interface ShopState {
  available: number;
  answersWith: string;
  readonly tokens: Map<string, number>;
  granted: number;
  readonly stock: Map<string, number>;
  readonly keys: Map<string, string>;
}

interface FakeShopify extends Pick<ReturnType<typeof fakeFetch>, "fetch" | "seen"> {
  readonly shop: ShopState;
}
const pageInfo = { hasNextPage: false, endCursor: null };
const operation = {
  id: "gid://shopify/BulkOperation/1",
  errorCode: null,
  objectCount: "2",
  fileSize: null,
};

export function fakeShopify(clock: ReturnType<typeof fakeClock>): FakeShopify {
  const cost = 50;
  const shop: ShopState = {
    available: 1000,
    answersWith: "2026-10",
    tokens: new Map<string, number>([["lasting", Infinity]]),
    granted: 0,
    stock: new Map<string, number>(),
    keys: new Map<string, string>(),
  };
  let readAt = clock.now();
  const product = {
    id: "gid://shopify/Product/1",
    title: "Lamp",
    handle: "lamp",
    status: "ACTIVE",
    vendor: "Faro",
    productType: "",
    tags: ["light"],
    updatedAt: "2026-11-01T00:00:00Z",
    totalInventory: 3,
  };
  const orders = [1, 2, 3].map((n) => ({
    id: `gid://shopify/Order/${n}`,
    name: `#${n}`,
    createdAt: "2026-11-01T00:00:00Z",
    updatedAt: "2026-11-01T00:00:00Z",
    displayFinancialStatus: "PAID",
    displayFulfillmentStatus: "UNFULFILLED",
    totalPriceSet: { shopMoney: { amount: "10.00", currencyCode: "EUR" } },
  }));

  function setInventory({ input, key }: Variables) {
    const done = shop.keys.get(key);
    const same = JSON.stringify(input);
    if (done !== undefined && done !== same)
      return refused("inventoryAdjustmentGroup", "The key was used with other input");
    if (done === undefined) {
      const stale = input.quantities.some(
        (item) =>
          item.changeFromQuantity !== null &&
          item.changeFromQuantity !== (shop.stock.get(item.inventoryItemId) ?? 0),
      );
      if (stale) return refused("inventoryAdjustmentGroup", "The quantity has changed");
      for (const item of input.quantities) shop.stock.set(item.inventoryItemId, item.quantity);
      shop.keys.set(key, same);
    }
    return {
      inventoryAdjustmentGroup: { id: "gid://shopify/InventoryAdjustmentGroup/1" },
      userErrors: [],
    };
  }

  const answers: Record<string, (variables: Variables) => unknown> = {
    [documents.shop]: () => ({
      shop: {
        id: "gid://shopify/Shop/1",
        name: "Faro",
        email: "shop@faro.example",
        myshopifyDomain: "faro.myshopify.com",
        currencyCode: "EUR",
        ianaTimezone: "Europe/Lisbon",
      },
    }),
    [documents.orders]: ({ first, after }) => {
      const start = Number(after ?? 0);
      const end = start + first;
      return {
        orders: {
          nodes: orders.slice(start, end),
          pageInfo: { hasNextPage: end < orders.length, endCursor: String(end) },
        },
      };
    },
    [documents.order]: ({ id }) => {
      const order = orders.find((one) => one.id === id);
      if (order === undefined) return { order: null };
      const lineItems = { nodes: [], pageInfo };
      const fulfillmentOrders = {
        nodes: [{ id: "gid://shopify/FulfillmentOrder/1", status: "OPEN" }],
      };
      return { order: { ...order, note: null, lineItems, fulfillmentOrders } };
    },
    [documents.products]: () => ({ products: { nodes: [product], pageInfo } }),
    [documents.product]: () => ({
      product: { ...product, descriptionHtml: "", variants: { nodes: [], pageInfo } },
    }),
    [documents.customers]: () => ({ customers: { nodes: [], pageInfo } }),
    [documents.levels]: ({ id = "" }) => ({
      inventoryItem: {
        id,
        inventoryLevels: {
          nodes: [
            {
              location: { id: "gid://shopify/Location/1", name: "Lisboa" },
              quantities: [{ name: "available", quantity: shop.stock.get(id) ?? 0 }],
            },
          ],
          pageInfo,
        },
      },
    }),
    [documents.setInventory]: (variables) => ({ inventorySetQuantities: setInventory(variables) }),
    [documents.updateProduct]: ({ product: change }) => {
      if (change["title"] === "taken") return { productUpdate: refused("product", "is taken") };
      Object.assign(product, change);
      return { productUpdate: { product, userErrors: [] } };
    },
    [documents.fulfill]: () => ({
      fulfillmentCreate: {
        fulfillment: { id: "gid://shopify/Fulfillment/1", status: "SUCCESS" },
        userErrors: [],
      },
    }),
    [documents.bulkRun]: () => ({
      bulkOperationRunQuery: {
        bulkOperation: { ...operation, status: "CREATED", url: null },
        userErrors: [],
      },
    }),
    [documents.bulkStatus]: () => ({
      bulkOperation: { ...operation, status: "COMPLETED", url: "https://files.example/1.jsonl" },
    }),
    "query { shop { id } }": () => ({ shop: { id: "gid://shopify/Shop/1" } }),
  };

  const vendor = fakeFetch((request) => {
    if (request.path === "/admin/oauth/access_token") {
      if (!request.text.includes("grant_type=client_credentials"))
        return jsonResponse({ error: "invalid_request" }, { status: 400 });
      const access_token = `granted-${++shop.granted}`;
      shop.tokens.set(access_token, clock.now() + 86_399_000);
      return jsonResponse({ access_token, scope: "read_orders", expires_in: 86_399 });
    }
    if ((shop.tokens.get(request.headers["x-shopify-access-token"] ?? "") ?? 0) <= clock.now())
      return jsonResponse({ errors: "[API] Invalid API key or access token" }, { status: 401 });
    const { query, variables } = body.parse(request.json);
    shop.available = Math.min(1000, shop.available + ((clock.now() - readAt) / 1000) * 100);
    readAt = clock.now();
    const enough = shop.available >= cost;
    if (enough) shop.available -= cost;
    const extensions = {
      cost: {
        requestedQueryCost: cost,
        actualQueryCost: enough ? cost : null,
        throttleStatus: {
          maximumAvailable: 1000,
          currentlyAvailable: shop.available,
          restoreRate: 100,
        },
      },
    };
    const answer = answers[query];
    const told = !enough
      ? { errors: [{ message: "Throttled", extensions: { code: "THROTTLED" } }] }
      : answer === undefined
        ? { errors: [{ message: "Field does not exist" }] }
        : { data: answer(variables) };
    return jsonResponse(
      { ...told, extensions },
      { headers: { "x-shopify-api-version": shop.answersWith } },
    );
  });
  return { shop, fetch: vendor.fetch, seen: vendor.seen };
}

function refused(field: string, message: string) {
  return { [field]: null, userErrors: [{ field: ["input"], message }] };
}
