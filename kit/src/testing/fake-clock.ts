import type { Clock } from "../clock.ts";

/** A clock that stands still until it is advanced; what waits for it is let go in the order of its times. */
export interface FakeClock extends Clock {
  /** Goes on by so much, letting go whatever waits until then and what that makes wait in turn. */
  advance(ms: number): Promise<void>;
  /** How many wait now. */
  readonly waiting: number;
}

interface Waiter {
  readonly atMs: number;
  readonly wake: () => void;
}

/** A clock for tests, starting at `startMs` (default 2026-01-01T00:00:00Z). */
export function fakeClock(startMs: number = Date.UTC(2026, 0, 1)): FakeClock {
  let elapsedMs = 0;
  const waiters = new Set<Waiter>();

  const wait = (ms: number, signal?: AbortSignal): Promise<void> => {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    if (ms <= 0) return Promise.resolve();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { atMs: elapsedMs + ms, wake: resolve };
    waiters.add(waiter);
    signal?.addEventListener(
      "abort",
      () => {
        if (waiters.delete(waiter)) reject(signal.reason);
      },
      { once: true },
    );
    return promise;
  };

  return {
    now: () => startMs + elapsedMs,
    monotonicMs: () => elapsedMs,
    wait,
    get waiting() {
      return waiters.size;
    },
    advance: async (ms) => {
      const untilMs = elapsedMs + ms;
      for (;;) {
        await turns();
        const [next] = [...waiters].toSorted((a, b) => a.atMs - b.atMs);
        if (next === undefined || next.atMs > untilMs) break;
        elapsedMs = Math.max(elapsedMs, next.atMs);
        waiters.delete(next);
        next.wake();
      }
      elapsedMs = untilMs;
      await turns();
    },
  };
}

// What was let go has to come to its next wait before the time goes on.
async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}
