import type { Clock } from "../../foundation/index.ts";
import { FailureWindow } from "./failure-window.ts";

/** Latency and score forget with this time constant: after it a third of what was known still counts. */
const FORGET_MS = 10_000;
/** Good calls that every endpoint is credited with: what an endpoint is believed to be while little is known. */
const BELIEF = 4;
/** Most calls that are remembered, so that what a busy endpoint did fades as soon as what an idle one did. */
const EVIDENCE_MAX = 200;
/** A failure that takes the score below this is trouble, one among many good calls is not. */
const CALM_SCORE = 0.8;
/** What an endpoint takes of its share when it has just come back. */
const SLOW_START_LEAST = 0.1;
const NEVER = -1;
/** A moment that comes with the next call that goes well. */
const AWAITED = Infinity;

/**
 * What is known of one endpoint from the calls it took. Each call is `started`, and then either `ended` or `abandoned`.
 * All times inside are monotonic.
 */
export class EndpointHealth {
  readonly #clock: Clock;
  readonly #window = new FailureWindow();
  #inFlight = 0;
  #sent = 0;
  #answered = 0;
  #failed = 0;
  #latencyMs = NEVER;
  #latencyAtMs = 0;
  // Calls that ended, fading with time.
  #good = 0;
  #bad = 0;
  #evidenceAtMs = 0;
  #failuresInARow = 0;
  #ejectedUntilMs = NEVER;
  #ejections = 0;
  #ejectionsInARow = 0;
  /** How long a calm makes an ejection forgotten. */
  #calmMs = 1;
  #returnedMs = -Infinity;
  #calmSinceMs = AWAITED;
  #slowFromMs = NEVER;
  #slowStartMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  started(): void {
    this.#inFlight++;
    this.#sent++;
  }

  /**
   * A call has ended, `latencyMs` after it was started. One that was started before the endpoint came back from its
   * ejection says what was known then and is left out.
   */
  ended(outcome: "ok" | "failed", latencyMs: number): void {
    this.#left();
    const nowMs = this.#clock.monotonicMs();
    const failed = outcome === "failed";
    if (failed) this.#failed++;
    else this.#answered++;
    if (nowMs - latencyMs < this.#returnedMs) return;
    this.#window.add(failed, nowMs);
    this.#fade(nowMs);
    if (failed) {
      this.#bad++;
      this.#failuresInARow++;
      if (this.#score(1) < CALM_SCORE) this.#endCalm(nowMs);
    } else {
      this.#good++;
      this.#failuresInARow = 0;
      if (this.#calmSinceMs === AWAITED) this.#calmSinceMs = nowMs;
      if (this.#slowFromMs === AWAITED) this.#slowFromMs = nowMs;
    }
    // A quick failure does not make an endpoint quick; one that took long, such as a timeout, makes it slow.
    if (!failed || latencyMs > this.#latencyMs) this.#took(latencyMs, nowMs);
  }

  /** A call was given up by its caller: it says nothing about the endpoint. */
  abandoned(): void {
    this.#left();
  }

  /** Calls since the link was made: how many were sent, were answered, and failed on the way. */
  get totals(): { readonly sent: number; readonly answered: number; readonly failed: number } {
    return { sent: this.#sent, answered: this.#answered, failed: this.#failed };
  }

  /** When a call last ended, in the clock's monotonic milliseconds; undefined where none has. */
  get lastEndedMs(): number | undefined {
    return this.#latencyMs === NEVER ? undefined : this.#evidenceAtMs;
  }

  /** Calls that have neither ended nor been given up. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * How long the last calls took, as a peak-sensitive moving average: a slower call counts at once, faster ones bring it
   * down over some 10 s. Undefined until a call has ended.
   */
  get latencyMs(): number | undefined {
    return this.#latencyMs === NEVER ? undefined : this.#latencyMs;
  }

  /** The same, falling while no call ends, so that an endpoint that was slow is tried again. */
  expectedLatencyMs(nowMs: number): number | undefined {
    if (this.#latencyMs === NEVER) return undefined;
    return this.#latencyMs * Math.exp((this.#latencyAtMs - nowMs) / FORGET_MS);
  }

  /** How well the last calls went, from almost 0 to 1. With a minute's silence it is back at 0.8 or more. */
  get score(): number {
    return this.scoreAt(this.#clock.monotonicMs());
  }

  /** The score, for who has just read the clock. */
  scoreAt(nowMs: number): number {
    if (this.#bad === 0) return 1;
    return this.#score(Math.exp((this.#evidenceAtMs - nowMs) / FORGET_MS));
  }

  /** Failures since the last call that went well. */
  get failuresInARow(): number {
    return this.#failuresInARow;
  }

  /** Calls that ended within 10 s before the last one that did. */
  get recentOutcomes(): number {
    return this.#window.outcomes;
  }

  /** The share of `recentOutcomes` that failed, 0 to 1. */
  get recentFailureShare(): number {
    return this.#window.failureShare;
  }

  /** Whether it is ejected; it stays so until `comeBack`. */
  get ejected(): boolean {
    return this.#ejectedUntilMs !== NEVER;
  }

  /** When its ejection ends, in epoch milliseconds; undefined when it is not ejected. */
  get ejectedUntil(): number | undefined {
    if (this.#ejectedUntilMs === NEVER) return undefined;
    return Math.round(this.#clock.now() + this.#ejectedUntilMs - this.#clock.monotonicMs());
  }

  returnIsDue(nowMs: number): boolean {
    return this.#ejectedUntilMs !== NEVER && nowMs >= this.#ejectedUntilMs;
  }

  /** How often it was ejected, ever. */
  get ejections(): number {
    return this.#ejections;
  }

  /** How often in a row: less one for each stretch of calm since a call went well again. */
  get ejectionsInARow(): number {
    return this.#stillInARow(this.#clock.monotonicMs());
  }

  /** Ejects it for `forMs`. It is forgotten after `calmMs` in service without trouble. */
  eject(forMs: number, calmMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    this.#ejectionsInARow = this.#stillInARow(nowMs) + 1;
    this.#calmMs = calmMs;
    this.#ejectedUntilMs = nowMs + forMs;
    this.#ejections++;
  }

  /** Ends the ejection. What was held against the endpoint is forgotten, and so is how quick it was. */
  comeBack(slowStartMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    this.#ejectedUntilMs = NEVER;
    this.#returnedMs = nowMs;
    this.#calmSinceMs = AWAITED;
    this.#failuresInARow = 0;
    this.#window.clear();
    this.#good = 0;
    this.#bad = 0;
    this.#latencyMs = NEVER;
    this.beginSlowStart(slowStartMs);
  }

  /**
   * From now on it takes a tenth of its share, until a call goes well; from then on its share grows to all of it over
   * `slowStartMs`. One that hangs would otherwise have all of it before the first call has timed out.
   */
  beginSlowStart(slowStartMs: number): void {
    this.#slowFromMs = slowStartMs > 0 ? AWAITED : NEVER;
    this.#slowStartMs = slowStartMs;
  }

  /** What it takes of its share: 0.1 to 1. */
  get slowStartFactor(): number {
    if (this.#slowFromMs === NEVER) return 1;
    if (this.#slowFromMs === AWAITED) return SLOW_START_LEAST;
    const progress = (this.#clock.monotonicMs() - this.#slowFromMs) / this.#slowStartMs;
    if (progress < 1) return SLOW_START_LEAST + (1 - SLOW_START_LEAST) * progress;
    this.#slowFromMs = NEVER;
    return 1;
  }

  #left(): void {
    if (this.#inFlight > 0) this.#inFlight--;
  }

  #score(kept: number): number {
    const good = this.#good * kept + BELIEF;
    return good / (good + this.#bad * kept);
  }

  #stillInARow(nowMs: number): number {
    const calmMs = nowMs - this.#calmSinceMs;
    if (this.#ejectionsInARow === 0 || calmMs < this.#calmMs) return this.#ejectionsInARow;
    return Math.max(0, this.#ejectionsInARow - Math.floor(calmMs / this.#calmMs));
  }

  // What the calm took away stays away, also when the trouble now ends in an ejection. Silence is no calm.
  #endCalm(nowMs: number): void {
    this.#ejectionsInARow = this.#stillInARow(nowMs);
    this.#calmSinceMs = AWAITED;
  }

  #fade(nowMs: number): void {
    const faded = Math.exp((this.#evidenceAtMs - nowMs) / FORGET_MS);
    const kept = Math.min(faded, EVIDENCE_MAX / (this.#good + this.#bad + 1));
    this.#good *= kept;
    this.#bad *= kept;
    this.#evidenceAtMs = nowMs;
  }

  #took(latencyMs: number, nowMs: number): void {
    if (latencyMs >= this.#latencyMs) {
      this.#latencyMs = latencyMs;
    } else {
      const kept = Math.exp((this.#latencyAtMs - nowMs) / FORGET_MS);
      this.#latencyMs = this.#latencyMs * kept + latencyMs * (1 - kept);
    }
    this.#latencyAtMs = nowMs;
  }
}
