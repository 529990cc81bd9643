import { ToolError } from "@signalbox/kit";
import { z } from "zod";
import { documents } from "./documents.ts";
import { gid, onlyReads, productShape } from "./read-tools.ts";
import { refuseUserErrors, tool, userErrors } from "./runtime.ts";

export const setInventory = tool({
  name: "set_inventory",
  title: "Set inventory",
  description:
    "Sets how much is available of inventory items at locations. The same key does it once.",
  input: z.object({
    items: z
      .array(
        z.object({
          inventoryItemId: gid("InventoryItem"),
          locationId: gid("Location"),
          quantity: z.int().min(0),
          changeFromQuantity: z
            .int()
            .nullable()
            .describe("What is there now, so that no other change is lost; null does not compare"),
        }),
      )
      .min(1)
      .max(250),
    reason: z.string().min(1).default("correction").describe("Such as correction or received"),
    idempotencyKey: z.string().min(1).max(255).optional().describe("Default: the call's own"),
  }),
  output: z.object({ id: z.string().nullable().describe("Null where nothing had to change") }),
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: true,
  },
  handler: async ({ items, reason, idempotencyKey: given }, call) => {
    const { inventorySetQuantities: done } = await call.runtime.ask(
      {
        document: documents.setInventory,
        variables: {
          input: { name: "available", reason, quantities: items },
          key: given ?? call.idempotencyKey,
        },
        // Shopify takes the key once.
        safe: true,
        signal: call.signal,
      },
      z.object({
        inventorySetQuantities: z.object({
          inventoryAdjustmentGroup: z.object({ id: z.string() }).nullable(),
          userErrors,
        }),
      }),
    );
    refuseUserErrors(done.userErrors);
    return { id: done.inventoryAdjustmentGroup?.id ?? null };
  },
});

export const updateProduct = tool({
  name: "update_product",
  title: "Change a product",
  description: "Changes what is given of a product; the rest stays.",
  input: z.object({
    id: gid("Product"),
    title: z.string().min(1).max(255).optional(),
    descriptionHtml: z.string().max(500_000).optional(),
    vendor: z.string().optional(),
    productType: z.string().optional(),
    tags: z.array(z.string()).max(250).optional().describe("All of them: others are taken off"),
    status: z.enum(["ACTIVE", "ARCHIVED", "DRAFT"]).optional(),
  }),
  output: productShape,
  annotations: {
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: true,
  },
  handler: async (product, { runtime, signal }) => {
    const { productUpdate: done } = await runtime.ask(
      { document: documents.updateProduct, variables: { product }, safe: true, signal },
      z.object({ productUpdate: z.object({ product: productShape.nullable(), userErrors }) }),
    );
    refuseUserErrors(done.userErrors);
    if (done.product === null)
      throw new ToolError("There is no such product.", { code: "NOT_FOUND" });
    return done.product;
  },
});

const fulfillment = z.object({ id: z.string(), status: z.string() });

export const fulfillOrder = tool({
  name: "fulfill_order",
  title: "Fulfil an order",
  description: "Marks all of a fulfillment order as sent. get_order tells its id.",
  input: z.object({
    fulfillmentOrderId: gid("FulfillmentOrder"),
    notifyCustomer: z.boolean().default(false),
    tracking: z
      .object({
        number: z.string().min(1),
        company: z.string().optional(),
        url: z.url().optional(),
      })
      .optional(),
  }),
  output: fulfillment,
  annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: true },
  handler: async ({ fulfillmentOrderId, notifyCustomer, tracking }, { runtime, signal }) => {
    const { fulfillmentCreate: done } = await runtime.ask(
      {
        document: documents.fulfill,
        variables: {
          fulfillment: {
            lineItemsByFulfillmentOrder: [{ fulfillmentOrderId }],
            notifyCustomer,
            trackingInfo: tracking,
          },
        },
        signal,
      },
      z.object({
        fulfillmentCreate: z.object({ fulfillment: fulfillment.nullable(), userErrors }),
      }),
    );
    refuseUserErrors(done.userErrors);
    if (done.fulfillment === null)
      throw new ToolError("Shopify made no fulfillment.", { code: "NOT_FOUND" });
    return done.fulfillment;
  },
});

const operation = z.object({
  id: z.string(),
  status: z.string(),
  errorCode: z.string().nullable(),
  objectCount: z.string(),
  fileSize: z.string().nullable(),
  url: z.string().nullable().describe("The JSONL file, for a week"),
});

export const bulkExport = tool({
  name: "bulk_export",
  title: "Export in bulk",
  description: "Starts a query over everything, without pages. bulk_status tells when it is done.",
  input: z.object({ query: z.string().min(1).max(20_000).describe("A query with a connection") }),
  output: operation,
  annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: true },
  handler: async ({ query }, { runtime, signal }) => {
    if (!onlyReads(query))
      throw new ToolError("Only queries can be exported.", { code: "ARGUMENTS_INVALID" });
    const { bulkOperationRunQuery: done } = await runtime.ask(
      { document: documents.bulkRun, variables: { query }, signal },
      z.object({
        bulkOperationRunQuery: z.object({ bulkOperation: operation.nullable(), userErrors }),
      }),
    );
    refuseUserErrors(done.userErrors);
    if (done.bulkOperation === null)
      throw new ToolError("Shopify started no operation.", { code: "NOT_FOUND" });
    return done.bulkOperation;
  },
});

export const bulkStatus = tool({
  name: "bulk_status",
  title: "State of an export",
  description: "Tells how far an export is, and where its JSONL file lies once it is done.",
  input: z.object({ id: gid("BulkOperation") }),
  output: operation,
  annotations: { readOnlyHint: true, openWorldHint: true },
  handler: async ({ id }, { runtime, signal }) => {
    const { bulkOperation } = await runtime.ask(
      { document: documents.bulkStatus, variables: { id }, signal },
      z.object({ bulkOperation: operation.nullable() }),
    );
    if (bulkOperation === null)
      throw new ToolError("There is no such operation.", { code: "NOT_FOUND" });
    return bulkOperation;
  },
});
