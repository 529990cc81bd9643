import { expect, test } from "vitest";
import { fakeClock } from "../testing/fake-clock.ts";
import { createTokenProvider } from "./token-provider.ts";

const { signal } = new AbortController();

function provider(lifeMs = 3_600_000) {
  const clock = fakeClock();
  const fetched: PromiseWithResolvers<void>[] = [];
  const tokens = createTokenProvider({
    clock,
    fetchToken: async () => {
      const gate = Promise.withResolvers<void>();
      const value = `t${fetched.push(gate)}`;
      await gate.promise;
      return { value, expiresAt: clock.now() + lifeMs };
    },
  });
  return { clock, fetched, tokens };
}

test("however many ask at once, one token is fetched", async () => {
  const { fetched, tokens } = provider();
  const asked = [1, 2, 3].map(() => tokens.get(signal));
  fetched[0]?.resolve();
  expect(await Promise.all(asked)).toEqual(["t1", "t1", "t1"]);
  expect(fetched).toHaveLength(1);
});

test("a token is renewed before it ends, and nobody waits for that", async () => {
  const { clock, fetched, tokens } = provider();
  const first = tokens.get(signal);
  fetched[0]?.resolve();
  await first;
  await clock.advance(3_600_000 - 299_000);
  expect(await tokens.get(signal)).toBe("t1");
  expect(fetched).toHaveLength(2);
  fetched[1]?.resolve();
  await clock.advance(0);
  expect(await tokens.get(signal)).toBe("t2");
});

test("a renewal that fails leaves the old token in use, and is tried again", async () => {
  const { clock, fetched, tokens } = provider();
  const first = tokens.get(signal);
  fetched[0]?.resolve();
  await first;
  await clock.advance(3_600_000 - 299_000);
  await tokens.get(signal);
  fetched[1]?.reject(new Error("vendor away"));
  await clock.advance(0);
  expect(await tokens.get(signal)).toBe("t1");
  expect(fetched).toHaveLength(3);
});

test("a refused token is not given again", async () => {
  const { fetched, tokens } = provider();
  const first = tokens.get(signal);
  fetched[0]?.resolve();
  tokens.refuse(await first);
  const second = tokens.get(signal);
  fetched[1]?.resolve();
  expect(await second).toBe("t2");
});

test("who gives up is let go; the others get the token", async () => {
  const { fetched, tokens } = provider();
  const abort = new AbortController();
  const impatient = tokens.get(abort.signal);
  const patient = tokens.get(signal);
  abort.abort(new Error("gone"));
  await expect(impatient).rejects.toThrow("gone");
  fetched[0]?.resolve();
  expect(await patient).toBe("t1");
});

test("a token that cannot be had is asked for again by the next", async () => {
  const { fetched, tokens } = provider();
  const first = tokens.get(signal);
  fetched[0]?.reject(new Error("wrong key"));
  await expect(first).rejects.toThrow("wrong key");
  const second = tokens.get(signal);
  fetched[1]?.resolve();
  expect(await second).toBe("t2");
});
