import { expect, test } from "vitest";
import { LEGACY_REVISIONS, MODERN_REVISION, negotiateLegacy, revisionOf } from "./index.ts";

test("initialize is answered with the revision asked for, else with our newest legacy one", () => {
  for (const id of LEGACY_REVISIONS) expect(negotiateLegacy(id).id).toBe(id);
  for (const asked of [MODERN_REVISION, "1900-01-01", "", undefined, 7, "__proto__"]) {
    expect(negotiateLegacy(asked).id).toBe("2025-11-25");
  }
});

test("the revisions differ where the protocol's history says so", () => {
  const facts = [...LEGACY_REVISIONS, MODERN_REVISION].map((id) => {
    const revision = revisionOf(id);
    return [
      id,
      revision?.era,
      revision?.batches,
      revision?.primesStreams,
      revision?.serverRequests.has("elicitation/create"),
      revision?.requests.has("initialize"),
    ];
  });
  expect(facts).toEqual([
    ["2025-11-25", "legacy", false, true, true, true],
    ["2025-06-18", "legacy", false, false, true, true],
    ["2025-03-26", "legacy", true, false, false, true],
    ["2024-11-05", "legacy", false, false, false, true],
    ["2026-07-28", "modern", false, false, false, false],
  ]);
  expect(revisionOf("2023-01-01")).toBeUndefined();
});
