// How long to wait before a call is repeated. `attempt` is the one that failed: 1 is the first.
import type { DelayStrategy } from "./retry-options.ts";

/** What a wait is made of; all in milliseconds, `baseDelayMs` at most `maxDelayMs`. */
export interface DelayBounds {
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
}

/** Doubles after each failure: 1 s, 2 s, 4 s, ... */
export function exponentialMs({ baseDelayMs, maxDelayMs }: DelayBounds, attempt: number): number {
  return Math.min(maxDelayMs, baseDelayMs * 2 ** (attempt - 1));
}

/** Longer by the first wait after each failure: 2 s, 4 s, 6 s, ... */
export function linearMs({ baseDelayMs, maxDelayMs }: DelayBounds, attempt: number): number {
  return Math.min(maxDelayMs, baseDelayMs * attempt);
}

/** The wait before chance; `learnedMs` is what `adaptive` has learned about the tool. */
export function fullDelayMs(
  strategy: DelayStrategy,
  bounds: DelayBounds,
  attempt: number,
  learnedMs: () => number,
): number {
  if (strategy === "adaptive") return learnedMs();
  return strategy === "linear" ? linearMs(bounds, attempt) : exponentialMs(bounds, attempt);
}

/** Takes up to the share `jitter` (0 to 1) off the wait; `random` is from 0 to 1. */
export function withJitter(delayMs: number, jitter: number, random: number): number {
  return delayMs * (1 - jitter * random);
}

/**
 * The wait when the server has said how long: never shorter than that, and scattered beyond it by up to the share
 * `jitter` of the first wait, so that not all who were told the same come back at once.
 */
export function afterAsked(
  delayMs: number,
  askedMs: number,
  baseDelayMs: number,
  jitter: number,
  random: number,
): number {
  return Math.max(delayMs, askedMs + baseDelayMs * jitter * random);
}
