import { expect, test, vi } from "vitest";
import { WarmUp, type Warmable } from "./warm-up.ts";

function catalogs(count: number) {
  const started: (() => void)[] = [];
  const warm = (): Promise<void> =>
    new Promise((resolve) => {
      started.push(resolve);
    });
  return { started, made: Array.from({ length: count }, (): Warmable => ({ warm })) };
}

test("sixteen servers are warmed at once, the next when one is done", async () => {
  const { started, made } = catalogs(20);
  new WarmUp().add(made);
  expect(started).toHaveLength(0);
  await vi.waitFor(() => expect(started).toHaveLength(16));
  started[3]?.();
  await vi.waitFor(() => expect(started).toHaveLength(17));
});

test("a server that is gone before its turn is not asked", async () => {
  const { started, made } = catalogs(3);
  const warmUp = new WarmUp();
  warmUp.add(made);
  warmUp.remove(made.slice(0, 2));
  await vi.waitFor(() => expect(started).toHaveLength(1));
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  expect(started).toHaveLength(1);
});
