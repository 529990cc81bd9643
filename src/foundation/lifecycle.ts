// States: new → starting → running → stopping → stopped. A failed start goes from starting to stopping by itself.
// `stop` may be asked for in any state and as often as one likes; there is one stopping.
import { systemClock, type Clock } from "./clock.ts";
import { SignalboxError } from "./errors.ts";
import type { Log } from "./log.ts";

/** Something that runs: opened by `start`, closed by `stop`. The signals tell when to give up. */
export interface Part {
  readonly name: string;
  /** Rejects when it cannot start, having closed what it had opened. */
  start(signal: AbortSignal): Promise<void>;
  /** Finishes what is under way; when the signal aborts, finishes at once. */
  stop(signal: AbortSignal): Promise<void>;
}

export type LifecycleState = "new" | "starting" | "running" | "stopping" | "stopped";

/** Starts parts in the order they were added and stops them in reverse, all stops within `stopWithinMs`. */
export class Lifecycle {
  readonly #log: Log;
  readonly #stopWithinMs: number;
  readonly #parts: Part[] = [];
  readonly #started: Part[] = [];
  readonly #giveUpStart = new AbortController();
  #state: LifecycleState = "new";
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: { log: Log; stopWithinMs: number }) {
    this.#log = options.log.child({ area: "lifecycle" });
    this.#stopWithinMs = options.stopWithinMs;
  }

  get state(): LifecycleState {
    return this.#state;
  }

  add(part: Part): void {
    if (this.#state !== "new") throw new TypeError("parts are added before the start");
    this.#parts.push(part);
  }

  /** Rejects with the failing part's error after what had started was stopped, or SHUTTING_DOWN when stopped meanwhile. */
  async start(): Promise<void> {
    if (this.#state !== "new") throw this.#interrupted();
    this.#state = "starting";
    this.#starting = this.#startParts();
    try {
      await this.#starting;
    } catch (error) {
      const interrupted = this.#giveUpStart.signal.aborted;
      await this.stop("start failed");
      throw interrupted ? this.#interrupted() : error;
    }
    if (this.#giveUpStart.signal.aborted) throw this.#interrupted();
    this.#state = "running";
  }

  /** Stops what has started, in reverse. Never rejects: a part that fails or hangs is logged and left behind. */
  stop(reason: string): Promise<void> {
    this.#stopping ??= this.#stopAll(reason);
    return this.#stopping;
  }

  async #startParts(): Promise<void> {
    const { signal } = this.#giveUpStart;
    for (const part of this.#parts) {
      if (signal.aborted) return;
      const begunMs = performance.now();
      await part.start(signal);
      this.#started.push(part);
      const duration = Math.round(performance.now() - begunMs);
      this.#log.debug({ part: part.name, duration }, `Started ${part.name}`);
    }
  }

  async #stopAll(reason: string): Promise<void> {
    const deadlineMs = performance.now() + this.#stopWithinMs;
    // Whoever started it is told why it did not start; that it is cleared away again is a detail.
    const level = this.#state === "running" ? "info" : "debug";
    this.#log[level]({ reason }, "Stopping");
    this.#state = "stopping";
    this.#giveUpStart.abort(this.#interrupted());
    await this.#startSettled();
    const parts = this.#started.toReversed();
    // Each part may use what is left, less a share kept back for every part after it.
    const shareMs = this.#stopWithinMs / (2 * Math.max(1, parts.length));
    for (const [index, part] of parts.entries()) {
      const keptBackMs = shareMs * (parts.length - index - 1);
      const allowedMs = Math.max(deadlineMs - performance.now() - keptBackMs, shareMs / 2);
      await this.#stopPart(part, allowedMs);
    }
    this.#state = "stopped";
    this.#log[level]({ reason }, "Stopped");
  }

  async #startSettled(): Promise<void> {
    if (this.#starting === undefined) return;
    const settled = this.#starting.catch(() => {});
    const outcome = await within(settled, this.#stopWithinMs / 4);
    if (outcome === "late") this.#log.error({}, "A part did not break off its start; left behind");
  }

  async #stopPart(part: Part, allowedMs: number): Promise<void> {
    const hurry = new AbortController();
    const reason = new SignalboxError("SHUTTING_DOWN", `${part.name} has to finish now`);
    const timer = setTimeout(() => hurry.abort(reason), allowedMs * 0.8);
    try {
      const outcome = await within(part.stop(hurry.signal), allowedMs);
      if (outcome === "late") {
        this.#log.error(
          { part: part.name, allowedMs },
          `${part.name} did not stop in time; left behind`,
        );
      }
    } catch (error) {
      this.#log.error({ part: part.name, err: error }, `${part.name} failed while stopping`);
    } finally {
      clearTimeout(timer);
    }
  }

  #interrupted(): SignalboxError {
    return new SignalboxError("SHUTTING_DOWN", "Stopped before the start was complete");
  }
}

/** One Ctrl-C reaches a process group whole, and npm passes it on as well: what comes so soon is the same signal. */
const SAME_SIGNAL_MS = 1_000;

/**
 * Stops the lifecycle on SIGTERM and SIGINT and then exits with 0, also when a part had to be left behind; a second signal
 * exits with 1 at once. The returned function takes the handlers away.
 */
export function stopOnSignals(
  lifecycle: Lifecycle,
  options: { log: Log; exit?: (code: number) => void; clock?: Clock },
): () => void {
  const exit = options.exit ?? ((code: number): never => process.exit(code));
  const clock = options.clock ?? systemClock;
  let askedAt: number | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (askedAt !== undefined) {
      if (clock.monotonicMs() - askedAt < SAME_SIGNAL_MS) return;
      options.log.warn({ signal }, `${signal} again, leaving at once`);
      exit(1);
      return;
    }
    askedAt = clock.monotonicMs();
    void lifecycle.stop(signal).then(() => exit(0));
  };
  process.on("SIGTERM", onSignal).on("SIGINT", onSignal);
  return () => {
    process.off("SIGTERM", onSignal).off("SIGINT", onSignal);
  };
}

// Not Promise.race with a left-over rejection: what fails after its time is nobody's any more.
function within(work: Promise<void>, ms: number): Promise<"done" | "late"> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve("late"), ms);
    work.then(() => resolve("done"), reject).finally(() => clearTimeout(timer));
  });
}
