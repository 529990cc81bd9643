import { expect, test } from "vitest";
import type { AuditEvent } from "../foundation/index.ts";
import { ActivityWatch } from "./activity-watch.ts";

function watched(): { events: AuditEvent[]; minute: (calls: number, id?: string) => void } {
  const events: AuditEvent[] = [];
  const watch = new ActivityWatch((event) => events.push(event));
  return {
    events,
    minute: (calls, id = "key_1") => {
      for (let count = 0; count < calls; count++) watch.called(id, "Ada");
      watch.minute();
    },
  };
}

test("ten times as many calls as usual are said once for each spell", () => {
  const { events, minute } = watched();
  for (let count = 0; count < 10; count++) minute(40);
  minute(2_000);
  minute(2_000);
  expect(events).toMatchObject([
    { action: "activity.unusual", actor: { id: "key_1" }, details: { callsInTheMinute: 2_000 } },
  ]);
  for (let count = 0; count < 3; count++) minute(40);
  minute(5_000);
  expect(events).toHaveLength(2);
});

test("a caller who is new, few calls, and one who always calls much are nothing unusual", () => {
  const { events, minute } = watched();
  minute(5_000, "new");
  for (let count = 0; count < 10; count++) minute(1, "quiet");
  minute(250, "quiet");
  for (let count = 0; count < 20; count++) minute(3_000, "busy");
  minute(9_000, "busy");
  expect(events).toEqual([]);
});
