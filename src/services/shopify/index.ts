import { defineService } from "@signalbox/kit";
import * as read from "./read-tools.ts";
import { connect } from "./runtime.ts";
import { shopifySettings } from "./settings.ts";
import * as write from "./write-tools.ts";

export const shopify = defineService({
  name: "shopify",
  title: "Shopify",
  version: "1.0.0",
  description: "Orders, products, customers and inventory of a Shopify shop.",
  settings: shopifySettings,
  tools: [
    read.shopInfo,
    read.listOrders,
    read.getOrder,
    read.listProducts,
    read.getProduct,
    read.listCustomers,
    read.inventoryLevels,
    read.graphqlQuery,
    write.setInventory,
    write.updateProduct,
    write.fulfillOrder,
    write.bulkExport,
    write.bulkStatus,
  ],
  connect,
});
