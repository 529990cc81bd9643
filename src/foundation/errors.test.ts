import { expect, test } from "vitest";
import { errorTable, isSignalboxError, messageOf, SignalboxError } from "./errors.ts";

test.each(Object.entries(errorTable))("%s says what happened and what to do", (code, entry) => {
  expect(code).toMatch(/^[A-Z][A-Z0-9]*(_[A-Z]+)*$/);
  expect(entry.status).toBeGreaterThanOrEqual(400);
  expect(entry.status).toBeLessThan(600);
  expect(entry.summary).toMatch(/^[A-Z].*\.$/);
  expect(entry.remedy).toMatch(/^[A-Z`].*\.$/);
});

test("an error's body carries code, message, details and the request's id, but no cause or stack", () => {
  const cause = new Error("inner");
  const error = new SignalboxError("NAME_TAKEN", "Taken.", { cause, details: { name: "a" } });
  expect(error.body("req_1")).toEqual({
    code: "NAME_TAKEN",
    message: "Taken.",
    details: { name: "a" },
    requestId: "req_1",
  });
  expect(error.cause).toBe(cause);
  expect(error.status).toBe(409);
  expect(isSignalboxError(error)).toBe(true);
});

test("an error inside another object is serialised without a made-up request id", () => {
  const error = new SignalboxError("INTERNAL", "Oh.");
  expect(JSON.parse(JSON.stringify({ error }))).toEqual({
    error: { code: "INTERNAL", message: "Oh." },
  });
});

test.each<[unknown, string]>([
  [new Error("one\n two"), "one two"],
  [new Error("outer", { cause: new Error("inner") }), "outer: inner"],
  [new Error("Outer.", { cause: new Error("inner") }), "Outer: inner"],
  [new Error("outer: inner", { cause: new Error("inner") }), "outer: inner"],
  [
    new AggregateError([new Error("refused ::1"), new Error("refused 127.0.0.1")]),
    "refused ::1; refused 127.0.0.1",
  ],
  [Object.assign(new Error(""), { code: "ECONNRESET" }), "ECONNRESET"],
  ["text", "text"],
  [{ a: 1 }, '{"a":1}'],
  [undefined, "undefined"],
  [null, "null"],
])("messageOf makes one line of %o", (thrown, line) => {
  expect(messageOf(thrown)).toBe(line);
});

test("messageOf ends with a chain of causes that bites its own tail, and with endless text", () => {
  const error = new Error("round");
  error.cause = error;
  expect(messageOf(error)).toBe("round");
  expect(messageOf("x".repeat(1e6))).toHaveLength(1000);
});
