// The local processes of one gateway: how many there may be, and how fast they may be started.
//
// A hundred servers that start at once would starve each other until all of them time out. So starts take
// turns, first come first served: a few at a time, and not too many in a second. Beyond the caps nobody
// waits: that is refused at once, for a place may not come free for hours.
import { SignalboxError, type Clock } from "../../foundation/index.ts";

export interface ProcessesOptions {
  /** Processes of all servers together; default 256. */
  totalMax?: number;
  /** Starts at once; default 8. */
  startsAtOnceMax?: number;
  /** Starts within any second; default 20. */
  startsPerSecondMax?: number;
}

/** Whose process it is, and how many of them there may be. */
export interface ProcessOwner {
  readonly name: string;
  readonly processesMax: number;
}

/** A place for one process. */
export interface Lease {
  /** The start is over, well or not: the next may begin. */
  started(): void;
  /** The process is gone. Also ends the start. Calling it again does nothing. */
  release(): void;
}

export interface ProcessesState {
  /** Places taken, those that start or wait to be started included. */
  taken: number;
  starting: number;
  waiting: number;
  totalMax: number;
}

/** Counts the processes of one gateway and lets them start in turn. */
export class Processes {
  readonly #clock: Clock;
  readonly #totalMax: number;
  readonly #atOnceMax: number;
  readonly #perSecondMax: number;
  readonly #byServer = new Map<string, number>();
  /** Bounded by the places: whoever waits has one. */
  #waiting: Waiting[] = [];
  /** The times of the last starts, oldest first; at most `perSecondMax`. */
  readonly #starts: number[] = [];
  #taken = 0;
  #starting = 0;
  /** Whether a timer goes on with those who wait. */
  #timed = false;

  constructor(clock: Clock, options: ProcessesOptions = {}) {
    this.#clock = clock;
    this.#totalMax = options.totalMax ?? 256;
    this.#atOnceMax = options.startsAtOnceMax ?? 8;
    this.#perSecondMax = options.startsPerSecondMax ?? 20;
  }

  /** Takes a place and waits for its turn to start; rejects with PROCESS_LIMIT, or with the signal's reason. */
  acquire(owner: ProcessOwner, signal?: AbortSignal): Promise<Lease> {
    if (signal?.aborted === true) return Promise.reject(asError(signal.reason));
    const refusal = this.#refusal(owner);
    if (refusal !== undefined) return Promise.reject(refusal);
    this.#taken += 1;
    this.#byServer.set(owner.name, this.count(owner.name) + 1);
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        begin: () => {
          signal?.removeEventListener("abort", abort);
          resolve(this.#lease(owner.name));
        },
      };
      const abort = (): void => {
        this.#waiting = this.#waiting.filter((one) => one !== waiting);
        this.#free(owner.name);
        this.#next();
        reject(asError(signal?.reason));
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#waiting.push(waiting);
      this.#next();
    });
  }

  /** Places taken by one server. */
  count(server: string): number {
    return this.#byServer.get(server) ?? 0;
  }

  state(): ProcessesState {
    return {
      taken: this.#taken,
      starting: this.#starting,
      waiting: this.#waiting.length,
      totalMax: this.#totalMax,
    };
  }

  #refusal(owner: ProcessOwner): SignalboxError | undefined {
    const own = this.count(owner.name);
    if (own >= owner.processesMax)
      return tooMany(owner.name, `has ${own} processes, which is its limit`, owner.processesMax);
    if (this.#taken >= this.#totalMax)
      return tooMany(
        owner.name,
        `cannot start: ${this.#taken} local processes run, which is the limit of all servers together`,
        this.#totalMax,
      );
    return undefined;
  }

  #next(): void {
    while (this.#waiting.length > 0 && this.#starting < this.#atOnceMax) {
      const waitMs = this.#rateWaitMs();
      if (waitMs > 0) {
        this.#nextIn(waitMs);
        return;
      }
      this.#starts.push(this.#clock.monotonicMs());
      if (this.#starts.length > this.#perSecondMax) this.#starts.shift();
      this.#starting += 1;
      this.#waiting.shift()?.begin();
    }
  }

  #nextIn(ms: number): void {
    if (this.#timed) return;
    this.#timed = true;
    setTimeout(() => {
      this.#timed = false;
      this.#next();
    }, Math.ceil(ms));
  }

  #rateWaitMs(): number {
    const [first] = this.#starts;
    if (first === undefined || this.#starts.length < this.#perSecondMax) return 0;
    return first + 1_000 - this.#clock.monotonicMs();
  }

  #lease(server: string): Lease {
    let state: "starting" | "running" | "gone" = "starting";
    const started = (): void => {
      if (state !== "starting") return;
      state = "running";
      this.#starting -= 1;
      this.#next();
    };
    const release = (): void => {
      if (state === "gone") return;
      this.#free(server);
      started();
      state = "gone";
    };
    return { started, release };
  }

  #free(server: string): void {
    this.#taken -= 1;
    const left = this.count(server) - 1;
    if (left > 0) this.#byServer.set(server, left);
    else this.#byServer.delete(server);
  }
}

interface Waiting {
  begin(): void;
}

function tooMany(server: string, what: string, limit: number): SignalboxError {
  return new SignalboxError("PROCESS_LIMIT", `The server "${server}" ${what}.`, {
    details: { limit },
  });
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
