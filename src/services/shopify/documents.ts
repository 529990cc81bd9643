// Every operation that is sent, for version 2026-10.
const order = `id name createdAt updatedAt displayFinancialStatus displayFulfillmentStatus
  totalPriceSet { shopMoney { amount currencyCode } }`;
const product = `id title handle status vendor productType tags updatedAt totalInventory`;
const operation = `id status errorCode objectCount fileSize url`;
const paged = `pageInfo { hasNextPage endCursor }`;

export const documents = {
  shop: `query { shop { id name email myshopifyDomain currencyCode ianaTimezone } }`,
  orders: `query ($first: Int!, $after: String, $query: String) {
    orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) { nodes { ${order} } ${paged} } }`,
  order: `query ($id: ID!) { order(id: $id) { ${order} note
    lineItems(first: 100) { nodes { id title quantity sku } ${paged} }
    fulfillmentOrders(first: 20) { nodes { id status } } } }`,
  products: `query ($first: Int!, $after: String, $query: String) {
    products(first: $first, after: $after, query: $query) { nodes { ${product} } ${paged} } }`,
  product: `query ($id: ID!) { product(id: $id) { ${product} descriptionHtml
    variants(first: 100) { nodes { id title sku price inventoryQuantity inventoryItem { id } } ${paged} } } }`,
  customers: `query ($first: Int!, $after: String, $query: String) {
    customers(first: $first, after: $after, query: $query) {
      nodes { id displayName numberOfOrders createdAt defaultEmailAddress { emailAddress } } ${paged} } }`,
  levels: `query ($id: ID!) { inventoryItem(id: $id) { id sku
    inventoryLevels(first: 50) { nodes { location { id name }
      quantities(names: ["available", "on_hand", "committed", "incoming"]) { name quantity } } ${paged} } } }`,
  setInventory: `mutation ($input: InventorySetQuantitiesInput!, $key: String!) {
    inventorySetQuantities(input: $input) @idempotent(key: $key) {
      inventoryAdjustmentGroup { id } userErrors { field message } } }`,
  updateProduct: `mutation ($product: ProductUpdateInput!) {
    productUpdate(product: $product) { product { ${product} } userErrors { field message } } }`,
  fulfill: `mutation ($fulfillment: FulfillmentInput!) {
    fulfillmentCreate(fulfillment: $fulfillment) { fulfillment { id status } userErrors { field message } } }`,
  bulkRun: `mutation ($query: String!) {
    bulkOperationRunQuery(query: $query) { bulkOperation { ${operation} } userErrors { field message } } }`,
  bulkStatus: `query ($id: ID!) { bulkOperation(id: $id) { ${operation} } }`,
} as const;
