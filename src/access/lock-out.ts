// Guessing is made slow, and cannot be used to lock others out. What is locked is
// - a credential together with the address it came from: a client with an old key slows itself down and nobody beside it;
// - an address, once many different wrong credentials came from it. Its further guesses are not looked at.
// Never a credential by itself: whoever guesses at somebody's key from one address leaves its owner alone at every other.
// What was right before is remembered by its hash and goes on working, also from a locked address. A signed token is
// looked at from there too: a signature cannot be guessed.
import { createHash } from "node:crypto";
import { isIPv6, type BlockList } from "node:net";
import type { Clock } from "../foundation/index.ts";
import { prefixOf } from "./key.ts";
import type { LockOutOptions } from "./lock-out-options.ts";
import { holds, networkList, plainAddress } from "./network-options.ts";

export class LockOut {
  readonly #options: LockOutOptions;
  readonly #clock: Clock;
  readonly #shared: BlockList;
  readonly #pairs = new Map<string, Failures>();
  readonly #addresses = new Map<string, Failures>();

  constructor(options: LockOutOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.#shared = networkList(options.shared_addresses);
  }

  /** True while nothing failed lately: then there is nothing to ask. */
  get idle(): boolean {
    return this.#pairs.size === 0;
  }

  /** For how many more milliseconds a credential from an address is not looked at; 0 where it may be. */
  heldFor(address: string | undefined, credential: string, guessable: boolean): number {
    const now = this.#clock.monotonicMs();
    const from = sourceOf(address);
    const pair = this.#pairs.get(pairOf(from, credential))?.heldUntil ?? 0;
    const whole = guessable ? (this.#addresses.get(from)?.heldUntil ?? 0) : 0;
    return Math.max(0, pair - now, whole - now);
  }

  /** A credential was wrong. */
  failed(address: string | undefined, credential: string): void {
    if (!this.#options.enabled) return;
    const { failures, address_failures } = this.#options;
    const from = sourceOf(address);
    const first = this.#count(this.#pairs, pairOf(from, credential), failures);
    if (first && !holds(this.#shared, plainAddress(address))) {
      this.#count(this.#addresses, from, address_failures);
    }
  }

  /** True where it was the first failure in a while. */
  #count(all: Map<string, Failures>, key: string, free: number): boolean {
    const now = this.#clock.monotonicMs();
    this.#forget(all, now);
    const before = all.get(key);
    const count = (before?.count ?? 0) + 1;
    const { delay, delay_max } = this.#options;
    const over = count - free;
    const wait = over < 0 ? 0 : Math.min(delay * 2 ** Math.min(over, DOUBLINGS_MAX), delay_max);
    all.delete(key);
    all.set(key, { count, heldUntil: now + wait, lastAt: now });
    return before === undefined;
  }

  // The oldest stand first, since every failure moves its entry to the end.
  #forget(all: Map<string, Failures>, now: number): void {
    for (const [key, { lastAt, heldUntil }] of all) {
      const over = now - lastAt > FORGOTTEN_AFTER_MS && heldUntil <= now;
      if (!over && all.size < ENTRIES_MAX) return;
      all.delete(key);
    }
  }
}

interface Failures {
  readonly count: number;
  /** Monotonic milliseconds, as `lastAt`. */
  readonly heldUntil: number;
  readonly lastAt: number;
}

const ENTRIES_MAX = 10_000;
const FORGOTTEN_AFTER_MS = 900_000;
const DOUBLINGS_MAX = 30;

// Whoever has one IPv6 address as a rule has the 64 bits below it too.
function sourceOf(address: string | undefined): string {
  const plain = plainAddress(address);
  return isIPv6(plain) ? `${firstHalf(plain)}::/64` : plain;
}

function firstHalf(address: string): string {
  const [head = "", tail] = address.split("::");
  const left = head.split(":");
  if (tail === undefined) return left.slice(0, 4).join(":");
  const right = tail.split(":");
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => "0");
  return [...left, ...zeros, ...right].slice(0, 4).join(":");
}

// A key by what may be shown of it, so that guesses at one key count together; anything else by its hash.
function pairOf(from: string, credential: string): string {
  const shown = prefixOf(credential);
  const mark =
    shown === "(chosen)" ? createHash("sha256").update(credential).digest("base64url") : shown;
  return `${from} ${mark}`;
}
