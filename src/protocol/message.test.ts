import { describe, expect, test } from "vitest";
import { isNotification, isRequest, isResponse, readMessage } from "./message.ts";

describe("a message", () => {
  test.each([
    { jsonrpc: "2.0", id: 1, method: "ping" },
    { jsonrpc: "2.0", id: "", method: "ping", params: {} },
    { jsonrpc: "2.0", method: "notifications/initialized", params: { _meta: { a: 1 } } },
    { jsonrpc: "2.0", id: 0, result: {} },
    { jsonrpc: "2.0", id: null, error: { code: -32700, message: "no" } },
    { jsonrpc: "2.0", error: { code: -32700 } },
  ])("is read as it is: %j", (value) => {
    expect(readMessage(value)).toEqual({ ok: true, message: value });
  });

  test.each([
    [[], null, "JSON object"],
    ["x", null, "JSON object"],
    [null, null, "JSON object"],
    [{ id: 1, method: "ping" }, 1, '"jsonrpc"'],
    [{ jsonrpc: "1.0", id: "a", method: "ping" }, "a", '"jsonrpc"'],
    [{ jsonrpc: "2.0", id: null, method: "ping" }, null, '"id"'],
    [{ jsonrpc: "2.0", id: 1.5, method: "ping" }, null, '"id"'],
    [{ jsonrpc: "2.0", id: {}, result: {} }, null, '"id"'],
    [{ jsonrpc: "2.0", id: true, method: "ping" }, null, '"id"'],
    [{ jsonrpc: "2.0", id: 1, method: 7 }, 1, '"method"'],
    [{ jsonrpc: "2.0", id: 1, method: "ping", params: [1] }, 1, '"params"'],
    [{ jsonrpc: "2.0", id: 1, method: "ping", params: null }, 1, '"params"'],
    [{ jsonrpc: "2.0", id: 1, method: "ping", params: { _meta: 1 } }, 1, "_meta"],
    [{ jsonrpc: "2.0", id: 1 }, 1, "neither"],
    [{ jsonrpc: "2.0", id: 1, result: [] }, 1, "neither"],
    [{ jsonrpc: "2.0", id: 1, error: { message: "x" } }, 1, "error.code"],
  ])("that is none is refused, with the id where it could be read: %j", (value, id, reason) => {
    const read = readMessage(value);
    expect(read).toMatchObject({ ok: false, id });
    expect(read.ok ? "" : read.reason).toContain(reason);
  });

  test("is a request, a notification or a response, never two of them", () => {
    const request = { jsonrpc: "2.0", id: 1, method: "a" } as const;
    const notification = { jsonrpc: "2.0", method: "a" } as const;
    const response = { jsonrpc: "2.0", id: 1, result: {} } as const;
    const kinds = [request, notification, response].map((message) => [
      isRequest(message),
      isNotification(message),
      isResponse(message),
    ]);
    expect(kinds).toEqual([
      [true, false, false],
      [false, true, false],
      [false, false, true],
    ]);
  });
});
