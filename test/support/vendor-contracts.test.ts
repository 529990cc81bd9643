import { jsonResponse } from "@signalbox/kit/testing";
import { expect, test } from "vitest";
import { contractFetch, graphqlContract, openapiContract, withVendor } from "./vendor-contracts.ts";

const documents = [
  "openapi/github.slice.json",
  "openapi/cloudflare.slice.json",
  "openapi/xero-accounting.slice.json",
  "openapi/xero-identity.json",
  "openapi/mem0-platform.json",
  "amazon/catalogItems_2022-04-01.oas3.json",
  "amazon/fbaInventory.oas3.json",
  "amazon/feeds_2021-06-30.oas3.json",
  "amazon/finances_2024-06-19.oas3.json",
  "amazon/listingsItems_2021-08-01.oas3.json",
  "amazon/notifications.oas3.json",
  "amazon/orders_2026-01-01.oas3.json",
  "amazon/ordersV0.oas3.json",
  "amazon/reports_2021-06-30.oas3.json",
  "amazon/sellers.oas3.json",
  "amazon/tokens_2021-03-01.oas3.json",
];

withVendor(...documents)("an OpenAPI document", () => {
  test.each(documents)("%s can be read, and has no place that nobody knows", async (file) => {
    const { fetch } = contractFetch(await openapiContract(file), () => jsonResponse({}));
    await expect(fetch("https://a.example/no/such/place")).rejects.toThrow("has no GET");
  });

  test("refuses a request and an answer that do not fit, and lets those through that do", async () => {
    const contract = await openapiContract("openapi/github.slice.json");
    const answers: Response[] = [];
    const { fetch } = contractFetch(contract, () => answers.shift() ?? jsonResponse({}));
    const issues = "https://api.github.com/repos/octo/hello/issues";
    const post = (body: object) =>
      fetch(issues, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    await expect(post({ body: "no title" })).rejects.toThrow("must have required property 'title'");
    answers.push(jsonResponse({ id: "seven" }, { status: 201 }));
    await expect(post({ title: "t" })).rejects.toThrow("the answer 201");
    answers.push(
      jsonResponse(
        { message: "Not Found", documentation_url: "u", status: "404" },
        { status: 404 },
      ),
    );
    expect((await post({ title: "t" })).status).toBe(404);
    await expect(fetch(`${issues}?per_page=many`)).rejects.toThrow("must be integer");
  });
});

withVendor("graphql/railway.graphql")("a GraphQL schema", () => {
  test("refuses what it does not have", () => {
    const railway = graphqlContract("graphql/railway.graphql");
    expect(() => railway.check("query { me { id email } }")).not.toThrow();
    expect(() => railway.check("query { me { shoeSize } }")).toThrow("Cannot query field");
  });
});

withVendor("graphql/shopify-admin-2026-10.graphql.gz")("a packed GraphQL schema", () => {
  test("is unpacked", () => {
    const shopify = graphqlContract("graphql/shopify-admin-2026-10.graphql.gz");
    expect(() => shopify.check("{ shop { name myshopifyDomain } }")).not.toThrow();
    expect(() => shopify.check("{ shop { shoeSize } }")).toThrow("Cannot query field");
  });
});
