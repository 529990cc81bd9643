import { expect, test } from "vitest";
import { promisesPage } from "./promises.ts";

test("lists a promise with its state and what shows it", () => {
  const page = pageOf({ state: "done", shownBy: ["scripts/promises.test.ts", "npm run check"] });
  expect(page).toContain(
    "| GW-17 | It answers. | done | [scripts/promises.test.ts](../scripts/promises.test.ts), `npm run check` |",
  );
  expect(page).toContain("1 promises: 1 done, 0 partly, 0 planned.");
});

test.each([
  ["a promise that nothing shows", { state: "done" }, "nothing shows it"],
  ["a test that does not exist", { state: "partly", shownBy: ["src/none.test.ts"] }, "not exist"],
  ["a command that does not exist", { state: "done", shownBy: ["npm run none"] }, "not exist"],
  ["a planned promise with a proof", { state: "planned", shownBy: ["npm test"] }, "yet shown"],
])("refuses %s", (_what, fields, reason) => {
  expect(() => pageOf(fields)).toThrow(reason);
});

test("refuses an id that stands there twice", () => {
  const one = { id: "GW-17", group: "HTTP", promise: "It answers.", state: "planned" };
  expect(() => promisesPage(JSON.stringify([one, one]))).toThrow("twice");
});

function pageOf(fields: Record<string, unknown>): string {
  const promise = { id: "GW-17", group: "HTTP", promise: "It answers.", ...fields };
  return promisesPage(JSON.stringify([promise])).get("docs/promises.md") ?? "";
}
