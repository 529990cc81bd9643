import { expect, test } from "vitest";
import { greediest, whoGivesWay } from "./greediest.ts";

const held = (...ids: string[]) => ids.map((id) => ({ principal: { id } }));

test("whoever has most gives way to whoever has less, and to nobody else", () => {
  expect(greediest(held("ann", "bob", "ann"))).toEqual({ id: "ann", count: 2 });
  expect(whoGivesWay(held("ann", "bob", "ann"), "eve")).toBe("ann");
  expect(whoGivesWay(held("ann", "bob", "ann"), "bob")).toBeUndefined();
  expect(whoGivesWay(held("ann", "bob", "ann"), "ann")).toBeUndefined();
  expect(whoGivesWay(held("ann", "bob"), "eve")).toBeUndefined();
  expect(whoGivesWay(held("ann", "ann", "ann", "bob"), "bob")).toBe("ann");
});
