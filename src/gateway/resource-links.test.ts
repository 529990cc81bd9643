import { expect, test } from "vitest";
import type { JsonObject } from "../protocol/index.ts";
import { mayNameResource, rewriteResult, withPublicUi } from "./resource-links.ts";

const shown = (uri: string): string => `public:${uri}`;

function rewritten(result: JsonObject): JsonObject {
  const copy = structuredClone(result);
  rewriteResult(copy, shown);
  return copy;
}

test("resources are renamed wherever a result names them", () => {
  const link = { type: "resource_link", uri: "a", name: "n", future: 1 };
  const embedded = { type: "resource", resource: { uri: "b", text: "uri: b", x: { uri: "kept" } } };
  const results: JsonObject[] = [
    { content: [link, embedded, { type: "text", text: "a" }] },
    { content: [{ type: "tool_result", content: [embedded] }] },
    {
      messages: [
        { role: "user", content: link },
        { role: "user", content: [embedded] },
      ],
    },
    {
      contents: [
        { uri: "c", text: "t" },
        { uri: "d", blob: "" },
      ],
    },
  ];
  for (const result of results) {
    const text = JSON.stringify(result);
    expect(mayNameResource(Buffer.from(text))).toBe(true);
    const expected = text.replaceAll(/"uri":"([a-d])"/g, '"uri":"public:$1"');
    expect(JSON.stringify(rewritten(result))).toBe(expected);
  }
});

test("an app's page is renamed in tools, results and contents, in both of its places", () => {
  const meta = {
    ui: { resourceUri: "ui://x", visibility: ["app"] },
    "ui/resourceUri": "ui://x",
    y: 1,
  };
  const expected = {
    ui: { resourceUri: "public:ui://x", visibility: ["app"] },
    "ui/resourceUri": "public:ui://x",
    y: 1,
  };
  expect(rewritten({ _meta: meta })).toEqual({ _meta: expected });
  expect(rewritten({ contents: [{ uri: "c", _meta: meta }] })).toEqual({
    contents: [{ uri: "public:c", _meta: expected }],
  });
  const tool = { name: "t", _meta: meta };
  expect(withPublicUi(tool, shown)).toEqual({ name: "t", _meta: expected });
  expect(tool._meta.ui.resourceUri).toBe("ui://x");
  const plain = { name: "t" };
  expect(withPublicUi(plain, shown)).toBe(plain);
});

test("what only looks like a reference is left alone", () => {
  const results: JsonObject[] = [
    { content: "resource_link" },
    {
      content: [
        null,
        7,
        "x",
        { type: "resource_link", uri: 7 },
        { type: "resource", resource: "b" },
      ],
    },
    { content: [{ type: "text", text: "t", uri: "a" }], structuredContent: { uri: "a" } },
    { messages: [null, { content: null }], contents: [7, {}] },
    { _meta: { ui: "x", "ui/resourceUri": 7 } },
    {},
  ];
  for (const result of results) expect(rewritten(result)).toEqual(result);
});
