import fc from "fast-check";
import { expect, test } from "vitest";
import { InFlight } from "./in-flight.ts";

test("behaves as a map from ids that are never used twice", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(7), { maxLength: 200 }), (choices) => {
      const inFlight = new InFlight<{ id: number }>();
      const model = new Map<number, { id: number }>();
      const used = new Set<number>();
      const removals: boolean[] = [];
      let repeated = false;
      for (const choice of choices) {
        const known = [...model.values()];
        const leaving = choice > 4 ? known[choice % Math.max(1, known.length)] : undefined;
        if (leaving === undefined) {
          const item = { id: inFlight.nextId() };
          repeated ||= used.has(item.id);
          used.add(item.id);
          inFlight.add(item);
          model.set(item.id, item);
        } else {
          removals.push(inFlight.remove(leaving), inFlight.remove(leaving));
          model.delete(leaving.id);
        }
        expect(inFlight.size).toBe(model.size);
        expect(new Set(inFlight.values())).toEqual(new Set(model.values()));
        for (const id of used) expect(inFlight.get(id)).toBe(model.get(id));
      }
      expect(repeated).toBe(false);
      expect(removals.every((removed, place) => removed === (place % 2 === 0))).toBe(true);
    }),
  );
});

test.each([-1, 0, 0.5, Number.NaN, 2 ** 60])(
  "knows nothing of %s, which it never gave out",
  (id) => {
    const inFlight = new InFlight<{ id: number }>();
    inFlight.add({ id: inFlight.nextId() });
    expect(inFlight.get(id)).toBeUndefined();
  },
);
