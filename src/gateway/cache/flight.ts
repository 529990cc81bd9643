/**
 * One call to a server for all who ask the same at the same time. The leader makes the call and tells how it ended; the
 * others wait, each no longer than its own patience.
 *
 *   flying ── keep / share ──▶ ended: the followers get the answer
 *      ├───── refuse / fail ─▶ ended: the followers get the failure, or an old answer where there is one
 *      ├───── pass ──────────▶ ended: the answer is the leader's alone; each follower asks the server itself
 *      └───── abandon ───────▶ the first follower that still waits leads a new flight with the others behind it
 *
 * Ending twice does nothing, so that whoever leads may abandon whenever its own client goes away.
 */
import { SignalboxError, type ErrorCode } from "../../foundation/index.ts";
import type { JsonRpcError } from "../../protocol/index.ts";
import type { CacheKey } from "./cache-key.ts";

/** An answer out of the cache: the JSON text of a result, without the `ttlMs` it may have had. */
export interface CacheHit {
  readonly body: Buffer;
  /** How long the answer is still good for; undefined where the server has not said, 0 for an old one. */
  readonly ttlLeftMs: number | undefined;
}

/** Who asks. Exactly one of `hit`, `fetch`, `refused` and `failed` is called, once, unless its seat is left before. */
export interface CacheReader {
  hit(hit: CacheHit): void;
  /** Ask the server, and tell the flight how it ended. May come at once or after a while. */
  fetch(flight: Flight): void;
  /** Comes after a `hit` with an old answer: ask the server once more for those to come, and tell the flight. */
  refresh(flight: Flight): void;
  /** The server refused the equal call that this one waited for. */
  refused(error: JsonRpcError): void;
  /** The equal call that this one waited for failed, or took longer than this one waits. */
  failed(error: SignalboxError): void;
}

/** How long a kept answer is good for, and whether that is the server's own word. */
export interface Freshness {
  readonly ttlMs: number;
  readonly told: boolean;
}

/** What flights need of the cache. */
export interface FlightHome {
  landed(flight: Flight): void;
  keep(flight: Flight, body: Buffer, fresh: Freshness): void;
  /** An answer that is old but still good enough where the server fails. */
  standIn(key: CacheKey): CacheHit | undefined;
  takeOff(key: CacheKey, riders: Seat[]): Flight;
  /** A reader threw: the others must not suffer. */
  misbehaved(error: unknown): void;
}

export class Flight {
  readonly key: CacheKey;
  /** The server's generation when the call began: the answer is not kept when something was cleared since. */
  readonly generation: number;
  /** What the second level calls that generation; undefined where it was not asked or has not answered. */
  stamp: string | undefined;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  readonly #home: FlightHome;
  #seats: Seat[];
  #ended = false;

  constructor(
    start: { key: CacheKey; generation: number; startedAt: number },
    seats: Seat[],
    home: FlightHome,
  ) {
    this.key = start.key;
    this.generation = start.generation;
    this.startedAt = start.startedAt;
    this.#seats = seats;
    this.#home = home;
    for (const seat of seats) seat.flight = this;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** False where too many wait already. */
  board(seat: Seat): boolean {
    if (this.#ended || this.#seats.length >= FOLLOWERS_MAX) return false;
    this.#seats.push(seat);
    seat.flight = this;
    return true;
  }

  /** The answer may be given to others, now and later. */
  keep(body: Buffer, fresh: Freshness): void {
    if (this.#ended) return;
    this.#home.keep(this, body, fresh);
    this.#serve({ body, ttlLeftMs: fresh.told ? fresh.ttlMs : undefined });
  }

  /** The answer may be given to those who wait for it, and to nobody later. */
  share(body: Buffer): void {
    if (!this.#ended) this.#serve({ body, ttlLeftMs: undefined });
  }

  /** The server answered with a JSON-RPC error. */
  refuse(error: JsonRpcError): void {
    for (const seat of this.#end()) this.#tell(seat, (reader) => reader.refused(error));
  }

  /** The server failed. An old answer that may stand in for the failure is returned, for the leader's own client. */
  fail(error: SignalboxError): CacheHit | undefined {
    if (this.#ended) return undefined;
    const old = this.#home.standIn(this.key);
    const standIn = NO_STAND_IN.has(error.code) ? undefined : old;
    for (const seat of this.#end()) {
      this.#tell(seat, (reader) => {
        if (standIn === undefined) reader.failed(error);
        else reader.hit(standIn);
      });
    }
    return standIn;
  }

  /** The answer is for the leader's client alone. */
  pass(): void {
    for (const seat of this.#end()) this.#fly(seat, new Flight(this, [], ALONE));
  }

  /** Whoever leads gives up. */
  abandon(): void {
    const waiting = this.#end();
    const next = waiting.shift();
    if (next === undefined) return;
    this.#fly(next, this.#home.takeOff(this.key, waiting));
  }

  #serve(hit: CacheHit): void {
    for (const seat of this.#end()) this.#tell(seat, (reader) => reader.hit(hit));
  }

  // Those who still wait; from here on the flight is over, whatever they do when they are told.
  #end(): Seat[] {
    if (this.#ended) return [];
    this.#ended = true;
    const waiting = this.#seats.filter((seat) => seat.state === "waiting");
    this.#seats = [];
    this.#home.landed(this);
    return waiting;
  }

  #fly(seat: Seat, flight: Flight): void {
    seat.flight = flight;
    this.#call(() => seat.lead(flight));
  }

  #tell(seat: Seat, tell: (reader: CacheReader) => void): void {
    this.#call(() => seat.told(tell));
  }

  #call(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#home.misbehaved(error);
    }
  }
}

/** One asker's place; `leave` it when the asker gives up. */
export class Seat {
  state: "waiting" | "leading" | "left" = "waiting";
  flight: Flight | undefined;
  readonly #reader: CacheReader;
  #patience: NodeJS.Timeout | undefined;

  constructor(reader: CacheReader) {
    this.#reader = reader;
  }

  /** Waits at most that long; a longer flight is `failed` with SERVER_TIMEOUT. */
  wait(server: string, patienceMs: number): void {
    this.#patience = setTimeout(() => {
      const sentence = `Server "${server}" has not answered an equal call in time.`;
      this.told((reader) => reader.failed(new SignalboxError("SERVER_TIMEOUT", sentence)));
    }, patienceMs).unref();
  }

  lead(flight: Flight): void {
    if (this.state !== "waiting") return;
    clearTimeout(this.#patience);
    this.state = "leading";
    this.flight = flight;
    this.#reader.fetch(flight);
  }

  told(tell: (reader: CacheReader) => void): void {
    if (this.state !== "waiting") return;
    this.#finish();
    tell(this.#reader);
  }

  /** The asker gives up: it hears nothing more, and where it leads, another takes over. */
  leave(): void {
    const { state, flight } = this;
    if (state === "left") return;
    this.#finish();
    if (state === "leading") flight?.abandon();
  }

  #finish(): void {
    clearTimeout(this.#patience);
    this.state = "left";
    this.flight = undefined;
  }
}

/** The server's own word on this very question: an answer from before it was said would contradict it. */
const NO_STAND_IN: ReadonlySet<ErrorCode> = new Set([
  "SERVER_UNAUTHORIZED",
  "SERVER_REFUSED",
  "SERVER_TOO_LARGE",
]);

/** More equal calls at once go to the server on their own. */
const FOLLOWERS_MAX = 1000;

/** For calls whose answers nobody shares. */
const ALONE: FlightHome = {
  landed() {},
  keep() {},
  standIn: () => undefined,
  takeOff: (key, riders) => new Flight({ key, generation: 0, startedAt: 0 }, riders, ALONE),
  misbehaved() {},
};
