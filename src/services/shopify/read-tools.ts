import { ToolError } from "@signalbox/kit";
import { z } from "zod";
import { documents } from "./documents.ts";
import { tool } from "./runtime.ts";

const readOnly = { readOnlyHint: true, openWorldHint: true } as const;
const pageInfo = z.object({ hasNextPage: z.boolean(), endCursor: z.string().nullish() });
const next = z.string().optional().describe("Hand this in as `after` for the next page");
const paging = {
  query: z.string().min(1).max(1000).optional().describe("Shopify search, such as status:open"),
  first: z.int().min(1).max(100).default(25).describe("How many at most"),
  after: z.string().min(1).optional().describe("`next` of the page before"),
};
/** An id of Shopify, of the given kind. */
export const gid = (kind: string): z.ZodString =>
  z
    .string()
    .regex(new RegExp(`^gid://shopify/${kind}/[0-9]+$`))
    .describe(`Such as gid://shopify/${kind}/1`);

export const orderShape = z.object({
  id: z.string(),
  name: z.string(),
  createdAt: z.string(),
  updatedAt: z.string(),
  displayFinancialStatus: z.string().nullable(),
  displayFulfillmentStatus: z.string(),
  totalPriceSet: z.object({
    shopMoney: z.object({ amount: z.string(), currencyCode: z.string() }),
  }),
});
export const productShape = z.object({
  id: z.string(),
  title: z.string(),
  handle: z.string(),
  status: z.string(),
  vendor: z.string(),
  productType: z.string(),
  tags: z.array(z.string()),
  updatedAt: z.string(),
  totalInventory: z.number(),
});

function nextOf({ hasNextPage, endCursor }: z.output<typeof pageInfo>): { next?: string } {
  return hasNextPage && typeof endCursor === "string" ? { next: endCursor } : {};
}

function found<Value>(value: Value | null, what: string): Value {
  if (value !== null) return value;
  throw new ToolError(`There is no such ${what}, or the app may not read it.`, {
    code: "NOT_FOUND",
  });
}

const shop = z.object({
  id: z.string(),
  name: z.string(),
  email: z.string(),
  myshopifyDomain: z.string(),
  currencyCode: z.string(),
  ianaTimezone: z.string(),
});

export const shopInfo = tool({
  name: "shop_info",
  title: "Shop",
  description: "Tells the shop's name, domain, currency and time zone.",
  input: z.object({}),
  output: shop,
  annotations: readOnly,
  handler: async (_input, { runtime, signal }) =>
    (await runtime.ask({ document: documents.shop, signal }, z.object({ shop }))).shop,
});

export const listOrders = tool({
  name: "list_orders",
  title: "Orders",
  description: "Lists orders, those changed longest ago first.",
  input: z.object({ ...paging, updatedSince: z.iso.datetime({ offset: true }).optional() }),
  output: z.object({ orders: z.array(orderShape), next }),
  annotations: readOnly,
  cost: 2500,
  handler: async ({ query, updatedSince, first, after }, { runtime, signal }) => {
    const parts = [
      ...(query === undefined ? [] : [updatedSince === undefined ? query : `(${query})`]),
      ...(updatedSince === undefined ? [] : [`updated_at:>='${updatedSince}'`]),
    ];
    const { orders } = await runtime.ask(
      {
        document: documents.orders,
        variables: { first, after, query: parts.length === 0 ? undefined : parts.join(" AND ") },
        signal,
      },
      z.object({ orders: z.object({ nodes: z.array(orderShape), pageInfo }) }),
    );
    return { orders: orders.nodes, ...nextOf(orders.pageInfo) };
  },
});

const line = z.object({
  id: z.string(),
  title: z.string(),
  quantity: z.number(),
  sku: z.string().nullable(),
});
const fulfillmentOrder = z.object({ id: z.string(), status: z.string() });

export const getOrder = tool({
  name: "get_order",
  title: "Order",
  description: "Tells an order with its first 100 lines and what of it is to be fulfilled.",
  input: z.object({ id: gid("Order") }),
  output: orderShape.extend({
    note: z.string().nullable(),
    lines: z.array(line),
    moreLines: z.boolean(),
    fulfillmentOrders: z.array(fulfillmentOrder),
  }),
  annotations: readOnly,
  handler: async ({ id }, { runtime, signal }) => {
    const answer = await runtime.ask(
      { document: documents.order, variables: { id }, signal },
      z.object({
        order: orderShape
          .extend({
            note: z.string().nullable(),
            lineItems: z.object({ nodes: z.array(line), pageInfo }),
            fulfillmentOrders: z.object({ nodes: z.array(fulfillmentOrder) }),
          })
          .nullable(),
      }),
    );
    const { lineItems, fulfillmentOrders, ...order } = found(answer.order, "order");
    return {
      ...order,
      lines: lineItems.nodes,
      moreLines: lineItems.pageInfo.hasNextPage,
      fulfillmentOrders: fulfillmentOrders.nodes,
    };
  },
});

export const listProducts = tool({
  name: "list_products",
  title: "Products",
  description: "Lists products.",
  input: z.object(paging),
  output: z.object({ products: z.array(productShape), next }),
  annotations: readOnly,
  cost: 2500,
  handler: async (variables, { runtime, signal }) => {
    const { products } = await runtime.ask(
      { document: documents.products, variables, signal },
      z.object({ products: z.object({ nodes: z.array(productShape), pageInfo }) }),
    );
    return { products: products.nodes, ...nextOf(products.pageInfo) };
  },
});

const variant = z.object({
  id: z.string(),
  title: z.string(),
  sku: z.string().nullable(),
  price: z.string(),
  inventoryQuantity: z.number().nullable(),
  inventoryItem: z.object({ id: z.string() }),
});

export const getProduct = tool({
  name: "get_product",
  title: "Product",
  description: "Tells a product with its first 100 variants and their inventory items.",
  input: z.object({ id: gid("Product") }),
  output: productShape.extend({
    descriptionHtml: z.string(),
    variants: z.array(variant),
    moreVariants: z.boolean(),
  }),
  annotations: readOnly,
  handler: async ({ id }, { runtime, signal }) => {
    const answer = await runtime.ask(
      { document: documents.product, variables: { id }, signal },
      z.object({
        product: productShape
          .extend({
            descriptionHtml: z.string(),
            variants: z.object({ nodes: z.array(variant), pageInfo }),
          })
          .nullable(),
      }),
    );
    const { variants, ...product } = found(answer.product, "product");
    return { ...product, variants: variants.nodes, moreVariants: variants.pageInfo.hasNextPage };
  },
});

const customer = z.object({
  id: z.string(),
  displayName: z.string(),
  numberOfOrders: z.string(),
  createdAt: z.string(),
  defaultEmailAddress: z.object({ emailAddress: z.string() }).nullable(),
});

export const listCustomers = tool({
  name: "list_customers",
  title: "Customers",
  description: "Lists customers with their e-mail address and number of orders.",
  input: z.object(paging),
  output: z.object({ customers: z.array(customer), next }),
  annotations: readOnly,
  handler: async (variables, { runtime, signal }) => {
    const { customers } = await runtime.ask(
      { document: documents.customers, variables, signal },
      z.object({ customers: z.object({ nodes: z.array(customer), pageInfo }) }),
    );
    return { customers: customers.nodes, ...nextOf(customers.pageInfo) };
  },
});

const level = z.object({
  location: z.object({ id: z.string(), name: z.string() }),
  quantities: z.array(z.object({ name: z.string(), quantity: z.number() })),
});

export const inventoryLevels = tool({
  name: "inventory_levels",
  title: "Inventory",
  description: "Tells how much of an inventory item is at each location, 50 at most.",
  input: z.object({ id: gid("InventoryItem") }),
  output: z.object({ levels: z.array(level), more: z.boolean() }),
  annotations: readOnly,
  handler: async ({ id }, { runtime, signal }) => {
    const answer = await runtime.ask(
      { document: documents.levels, variables: { id }, signal },
      z.object({
        inventoryItem: z
          .object({ inventoryLevels: z.object({ nodes: z.array(level), pageInfo }) })
          .nullable(),
      }),
    );
    const { nodes, pageInfo: page } = found(answer.inventoryItem, "inventory item").inventoryLevels;
    return { levels: nodes, more: page.hasNextPage };
  },
});

/** Whether a document has nothing but queries and fragments: strings and comments are no part of that. */
export function onlyReads(document: string): boolean {
  const bare = document.replace(
    /"""(?:\\"""|(?!""")[\s\S])*"""|"(?:\\.|[^"\\\n\r])*"|#[^\n\r]*/g,
    " ",
  );
  let depth = 0;
  for (const [token] of bare.matchAll(/[{}]|[_A-Za-z]\w*/g)) {
    if (token === "{") depth++;
    else if (token === "}") depth--;
    else if (depth <= 0 && (token === "mutation" || token === "subscription")) return false;
  }
  return true;
}

export const graphqlQuery = tool({
  name: "graphql_query",
  title: "Query",
  description: "Asks the Admin API a GraphQL query of your own. Mutations are refused.",
  input: z.object({
    query: z.string().min(1).max(20_000),
    variables: z.record(z.string(), z.json()).optional(),
  }),
  output: z.object({ data: z.record(z.string(), z.unknown()) }),
  annotations: readOnly,
  handler: async ({ query, variables = {} }, { runtime, signal }) => {
    if (!onlyReads(query))
      throw new ToolError("Only queries may be asked here; take the tool for the change.", {
        code: "ARGUMENTS_INVALID",
      });
    return { data: await runtime.graphql.query({ document: query, variables, signal }) };
  },
});
