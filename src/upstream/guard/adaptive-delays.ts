// What one server's failures and successes teach about how long to wait before a tool is repeated. A failure makes the
// wait longer, a repeat that succeeds makes it shorter, and knowledge ages: half of what stands above the first wait is
// forgotten every minute, because a server that was overloaded an hour ago says nothing about now. Calls that ran side
// by side fail together and teach one thing: a wait grows again only after a quarter of it has passed.
import type { Clock } from "../../foundation/index.ts";
import type { DelayBounds } from "./delays.ts";

/** The learned waits of one server's tools, at most 1000 of them; the one learned first leaves. */
export class AdaptiveDelays {
  readonly #clock: Clock;
  readonly #tools = new Map<string, Learned>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The wait before the tool is repeated, in milliseconds; what nothing is known about waits the first wait. */
  delayMs(tool: string, bounds: DelayBounds): number {
    const learned = this.#tools.get(tool);
    return learned === undefined
      ? bounds.baseDelayMs
      : within(bounds, aged(learned, bounds, this.#clock.monotonicMs()));
  }

  failed(tool: string, bounds: DelayBounds): void {
    const nowMs = this.#clock.monotonicMs();
    const learned = this.#tools.get(tool);
    if (learned !== undefined && nowMs - learned.grownAtMs < learned.delayMs / 4) return;
    const delayMs = within(bounds, this.delayMs(tool, bounds) * growth);
    this.#learn(tool, { delayMs, bounds, atMs: nowMs, grownAtMs: nowMs });
  }

  /** A repeat of the tool succeeded; a first attempt teaches nothing about waiting. */
  succeededOnRepeat(tool: string): void {
    const learned = this.#tools.get(tool);
    if (learned === undefined) return;
    const nowMs = this.#clock.monotonicMs();
    const { bounds } = learned;
    learned.delayMs = within(bounds, aged(learned, bounds, nowMs) * shrinkage);
    learned.atMs = nowMs;
  }

  /** The learned waits in whole milliseconds, by tool. */
  explain(): Record<string, number> {
    const nowMs = this.#clock.monotonicMs();
    return Object.fromEntries(
      [...this.#tools].map(([tool, learned]) => [
        tool,
        Math.round(aged(learned, learned.bounds, nowMs)),
      ]),
    );
  }

  #learn(tool: string, learned: Learned): void {
    if (!this.#tools.has(tool) && this.#tools.size >= toolsMax) {
      const [oldest] = this.#tools.keys();
      if (oldest !== undefined) this.#tools.delete(oldest);
    }
    this.#tools.set(tool, learned);
  }
}

/** Most tools of one server that something is remembered about. */
export const toolsMax = 1000;

interface Learned {
  delayMs: number;
  bounds: DelayBounds;
  /** When `delayMs` was so. */
  atMs: number;
  grownAtMs: number;
}

const growth = 2;
const shrinkage = 0.7;
const halfLifeMs = 60_000;

function aged(learned: Learned, { baseDelayMs }: DelayBounds, nowMs: number): number {
  const above = Math.max(0, learned.delayMs - baseDelayMs);
  return baseDelayMs + above * 0.5 ** ((nowMs - learned.atMs) / halfLifeMs);
}

function within({ baseDelayMs, maxDelayMs }: DelayBounds, delayMs: number): number {
  return Math.min(maxDelayMs, Math.max(baseDelayMs, delayMs));
}
