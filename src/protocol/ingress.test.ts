import { describe, expect, test } from "vitest";
import { encodeHeaderValue } from "./header-values.ts";
import { mcpNameOf, readIngress, type Ingress } from "./ingress.ts";
import type { JsonObject } from "./json.ts";
import { META } from "./meta.ts";
import { LEGACY_REVISIONS, MODERN_REVISION } from "./revisions/index.ts";

const envelope = { [META.protocolVersion]: MODERN_REVISION, [META.clientCapabilities]: {} };

function modern(method: string, params: JsonObject = {}, meta: JsonObject = envelope): JsonObject {
  return { jsonrpc: "2.0", id: 7, method, params: { ...params, _meta: meta } };
}

function headersOf(method: string, more: Record<string, string> = {}): Record<string, string> {
  return { "mcp-protocol-version": MODERN_REVISION, "mcp-method": method, ...more };
}

function read(body: unknown, headers: Record<string, string> = {}): Ingress {
  return readIngress(body, headers, 3);
}

function refusal(ingress: Ingress): unknown[] {
  if (ingress.kind !== "refused") return [ingress.kind];
  return [ingress.status, ingress.body.error?.code, ingress.body.id];
}

describe("a request that carries its version", () => {
  test("is modern where its headers agree", () => {
    const body = modern("tools/call", { name: "a" });
    const ingress = read(body, headersOf("tools/call", { "mcp-name": "a" }));
    expect(ingress).toEqual({ kind: "modern-request", message: body });
  });

  test("needs no Mcp-Name where the method has none", () => {
    expect(read(modern("tools/list"), headersOf("tools/list")).kind).toBe("modern-request");
  });

  test.each([
    ["another version in the header", { "mcp-protocol-version": "2025-11-25" }],
    ["no Mcp-Name", { "mcp-name": undefined }],
    ["another Mcp-Name", { "mcp-name": "b" }],
    ["a Mcp-Name that differs in case", { "mcp-name": "A" }],
    ["no Mcp-Method", { "mcp-method": undefined }],
    ["another Mcp-Method", { "mcp-method": "tools/list" }],
    ["no version in the header", { "mcp-protocol-version": undefined }],
  ])("is a header mismatch with %s", (_what, change) => {
    const headers = { ...headersOf("tools/call", { "mcp-name": "a" }), ...change };
    const ingress = readIngress(modern("tools/call", { name: "a" }), headers, 3);
    expect(refusal(ingress)).toEqual([400, -32020, 7]);
  });

  test("is refused with what is supported where the version is another", () => {
    for (const requested of ["1900-01-01", "2025-11-25", "2099-01-01"]) {
      const ingress = read(modern("tools/list", {}, { [META.protocolVersion]: requested }), {
        "mcp-protocol-version": requested,
      });
      expect(refusal(ingress)).toEqual([400, -32022, 7]);
      expect(ingress).toHaveProperty("body.error.data", {
        supported: [MODERN_REVISION, ...LEGACY_REVISIONS],
        requested,
      });
    }
  });

  test("lacks parameters where the version is no string or the capabilities are no object", () => {
    const headers = headersOf("tools/list");
    for (const meta of [
      { ...envelope, [META.protocolVersion]: 20260728 },
      { [META.protocolVersion]: MODERN_REVISION },
      { ...envelope, [META.clientCapabilities]: [] },
    ]) {
      expect(refusal(read(modern("tools/list", {}, meta), headers))).toEqual([400, -32602, 7]);
    }
  });

  test("says first what is wrong first: version, envelope, headers", () => {
    const bad = modern("tools/list", {}, { [META.protocolVersion]: "1900-01-01" });
    expect(refusal(read(bad))).toEqual([400, -32022, 7]);
    const open = modern("tools/list", {}, { [META.protocolVersion]: MODERN_REVISION });
    expect(refusal(read(open))).toEqual([400, -32602, 7]);
    expect(refusal(read(modern("tools/list")))).toEqual([400, -32020, 7]);
  });

  test("has its Mcp-Name decoded before it is compared", () => {
    for (const name of ["größe", " edge ", "=?base64?Zm9v?=", "a\nb"]) {
      const headers = headersOf("tools/call", { "mcp-name": encodeHeaderValue(name) });
      expect(read(modern("tools/call", { name }), headers).kind).toBe("modern-request");
    }
    const headers = headersOf("tools/call", { "mcp-name": "=?base64?Zm9v?=" });
    expect(read(modern("tools/call", { name: "foo" }), headers).kind).toBe("modern-request");
    const smuggled = read(modern("tools/call", { name: "=?base64?Zm9v?=" }), headers);
    expect(refusal(smuggled)).toEqual([400, -32020, 7]);
  });
});

describe("a request without a version", () => {
  const request = { jsonrpc: "2.0", id: "x", method: "tools/list" };
  const initialize = { jsonrpc: "2.0", id: "x", method: "initialize", params: {} };

  test("is legacy", () => {
    for (const headers of [{}, ...LEGACY_REVISIONS.map((id) => ({ "mcp-protocol-version": id }))]) {
      const legacy = { kind: "legacy", messages: [request], batch: false };
      expect(readIngress(request, headers, 3)).toEqual(legacy);
    }
  });

  test("lacks its envelope where the header says it is modern, and is told which key", () => {
    const ingress = read(request, headersOf("tools/list"));
    expect(refusal(ingress)).toEqual([400, -32602, "x"]);
    expect(JSON.stringify(ingress)).toContain("io.modelcontextprotocol/protocolVersion");
  });

  test("is legacy as initialize, which no modern header may announce", () => {
    expect(read(initialize).kind).toBe("legacy");
    expect(read(initialize, { "mcp-protocol-version": "2025-06-18" }).kind).toBe("legacy");
    expect(refusal(read(initialize, headersOf("initialize")))).toEqual([400, -32020, "x"]);
  });
});

describe("a notification", () => {
  const bare = { jsonrpc: "2.0", method: "notifications/cancelled" };

  test("is modern by its envelope or by its header, else legacy", () => {
    const claimed = { ...bare, params: { _meta: envelope } };
    expect(read(claimed).kind).toBe("modern-notification");
    expect(read(bare, headersOf("x")).kind).toBe("modern-notification");
    expect(read(bare).kind).toBe("legacy");
    expect(read(bare, { "mcp-protocol-version": "2025-11-25" }).kind).toBe("legacy");
  });
});

test("a response is a legacy client's answer", () => {
  const response = { jsonrpc: "2.0", id: "s1", result: {} };
  expect(read(response)).toEqual({ kind: "legacy", messages: [response], batch: false });
});

describe("an array", () => {
  const ping = { jsonrpc: "2.0", id: 1, method: "ping" };

  test("is a legacy batch", () => {
    const messages = [ping, { jsonrpc: "2.0", method: "n" }, { jsonrpc: "2.0", id: 1, result: {} }];
    expect(read(messages)).toEqual({ kind: "legacy", messages, batch: true });
  });

  test.each([
    ["empty", []],
    ["longer than allowed", [ping, ping, ping, ping]],
    ["with something that is no message", [ping, 7]],
    ["with a modern request", [ping, modern("tools/list")]],
    [
      "with a modern notification",
      [{ jsonrpc: "2.0", method: "notifications/x", params: { _meta: envelope } }],
    ],
    ["with initialize", [{ ...ping, method: "initialize" }]],
    ["in an array", [[ping]]],
  ])("%s is refused whole", (_what, body) => {
    expect(refusal(read(body))).toEqual([400, -32600, null]);
  });
});

test("what is no message is an invalid request", () => {
  for (const body of [null, 7, "x", {}, { jsonrpc: "2.0", id: null, method: "ping" }]) {
    expect(refusal(read(body))).toEqual([400, -32600, null]);
  }
  expect(refusal(read({ jsonrpc: "2.0", id: 3 }))).toEqual([400, -32600, 3]);
});

test("names come from where the method has them", () => {
  const params = { name: "n", uri: "u", taskId: "t" };
  const names = ["tools/call", "prompts/get", "resources/read", "tasks/get", "tools/list"].map(
    (method) => mcpNameOf(method, params),
  );
  expect(names).toEqual(["n", "n", "u", "t", undefined]);
});
