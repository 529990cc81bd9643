/**
 * Answers of servers that are kept and given again. What is held of one request moves between these states by the clock:
 *
 *   miss ── kept ──▶ fresh ── ttl ──▶ stale (given at once, and fetched anew behind the caller's back)
 *     ▲                                 │ stale_while_revalidate
 *     └── stale_if_error ── failing ◀───┘ (not given, except in place of a failure of its server)
 *
 * Equal requests at the same time share one call, and what is cleared during a call is not filled again by its answer:
 * that answer may be older than the change.
 */
import { messageOf, type Clock, type Log, type Metrics } from "../../foundation/index.ts";
import type { CacheKey } from "./cache-key.ts";
import { CacheMeters, type CacheStatistics, type ServerCacheStatistics } from "./cache-meters.ts";
import type { CacheOptions } from "./cache-options.ts";
import { Flight, Seat, type CacheHit, type CacheReader, type Freshness } from "./flight.ts";
import { MemoryStore, type Entry } from "./memory-store.ts";
import type { Invalidation, SecondLevel, SecondLevelAnswer } from "./second-level.ts";

export type Lookup =
  | ({ readonly state: "fresh" } & CacheHit)
  | ({ readonly state: "stale" } & CacheHit)
  | { readonly state: "miss" };

export interface ResultCacheDeps {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
  /** What is asked where the memory knows nothing. */
  readonly second?: SecondLevel | undefined;
}

export class ResultCache {
  readonly #options: CacheOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  #second: SecondLevel | undefined;
  readonly #store: MemoryStore;
  readonly #meters: CacheMeters;
  readonly #flights = new Map<string, Flight>();

  constructor(options: CacheOptions, { clock, metrics, log, second }: ResultCacheDeps) {
    this.#options = options;
    this.#clock = clock;
    this.#log = log;
    const bounds = { entriesMax: options.max_size, bytesMax: options.bytes_max };
    this.#store = new MemoryStore(bounds, (reason, count) => this.#meters.evicted(reason, count));
    this.#meters = new CacheMeters(metrics, () => this.#size());
    if (second !== undefined) this.share(second);
  }

  /** From now on `second` is asked where the memory knows nothing, and told what is kept and cleared. */
  share(second: SecondLevel): void {
    this.#second = second;
    second.listen({
      invalidated: (what) => this.forget(what),
      interrupted: () => this.forget({ kind: "all" }),
    });
  }

  /**
   * Answers a reader from memory, from the second level, from an equal call that is under way, or has it ask the server.
   * `toolName` labels the metrics and must come from the catalog. A reader waits for another's call no longer than
   * `patienceMs`. The seat, undefined where the reader has been served, is left when the reader gives up.
   */
  read(key: CacheKey, toolName: string, reader: CacheReader, patienceMs: number): Seat | undefined {
    const now = this.#clock.monotonicMs();
    const entry = this.#usable(key, now);
    if (entry === undefined) return this.#join({ key, toolName, reader }, patienceMs);
    if (now < entry.facts.freshUntil) {
      this.#meters.hit("memory", toolName, key.server);
      reader.hit(hitOf(entry, now));
      return undefined;
    }
    this.#meters.staleHit(toolName, key.server);
    reader.hit(hitOf(entry, now));
    if (now >= entry.refreshAfter && this.#flightOf(key) === undefined) this.#refresh(key, reader);
    return undefined;
  }

  /** What is held, without asking anyone and without waiting. */
  lookup(key: CacheKey, toolName: string): Lookup {
    const now = this.#clock.monotonicMs();
    const entry = this.#usable(key, now);
    if (entry === undefined) {
      this.#meters.miss("memory", toolName, key.server, true);
      return MISS;
    }
    const fresh = now < entry.facts.freshUntil;
    if (fresh) this.#meters.hit("memory", toolName, key.server);
    else this.#meters.staleHit(toolName, key.server);
    return { state: fresh ? "fresh" : "stale", ...hitOf(entry, now) };
  }

  /**
   * Keeps an answer; false where it is too large, or where something of its server was cleared since `generation`, as
   * `generationOf` gave it before the server was asked.
   */
  store(key: CacheKey, body: Buffer, fresh: Freshness, generation: number): boolean {
    const { entry_bytes_max, stale_while_revalidate, stale_if_error } = this.#options;
    if (generation !== this.#store.generation(key.server)) return false;
    if (!(fresh.ttlMs > 0) || body.length > entry_bytes_max) return false;
    const freshUntil = this.#clock.monotonicMs() + fresh.ttlMs;
    const deadAt = freshUntil + Math.max(stale_while_revalidate, stale_if_error);
    return this.#store.put(key, { body, freshUntil, deadAt, told: fresh.told });
  }

  /** Larger answers are not kept, and so need not be read whole. */
  get entryBytesMax(): number {
    return this.#options.entry_bytes_max;
  }

  generationOf(server: string): number {
    return this.#store.generation(server);
  }

  /** Clears what is kept of a server, here and in all gateways that share a second level; says how much it was here. */
  invalidateServer(server: string): number {
    return this.#invalidate({ kind: "server", server });
  }

  /** As `invalidateServer`, of one tool or resource. */
  invalidateName(server: string, kind: "tools" | "resources", name: string): number {
    const method = kind === "tools" ? "tools/call" : "resources/read";
    return this.#invalidate({ kind: "name", server, method, name });
  }

  invalidateUri(server: string, uri: string): number {
    return this.invalidateName(server, "resources", uri);
  }

  clear(): number {
    return this.#invalidate({ kind: "all" });
  }

  /** Clears what is kept here, and tells nobody. */
  forget(what: Invalidation): number {
    if (what.kind === "all") return this.#store.clearAll();
    if (what.kind === "server") return this.#store.clearServer(what.server);
    return this.#store.clearName(what.server, what.method, what.name);
  }

  /** Drops what is of no use to anyone any more; it would go by itself when the room is needed. */
  sweep(): number {
    return this.#store.sweep(this.#clock.monotonicMs());
  }

  statistics(): CacheStatistics {
    return this.#meters.statistics();
  }

  /** What is held of one server, and how often it helped. */
  statisticsOf(server: string): ServerCacheStatistics {
    this.sweep();
    return { ...this.#store.sizeOf(server), ...this.#meters.lookups(server) };
  }

  #size(): { keys: number; bytes: number } {
    this.sweep();
    return { keys: this.#store.size, bytes: this.#store.bytes };
  }

  // Held and good enough to be given without a failure.
  #usable(key: CacheKey, now: number): Entry | undefined {
    const entry = this.#store.get(key, now);
    if (entry === undefined) return undefined;
    return now < entry.facts.freshUntil + this.#options.stale_while_revalidate ? entry : undefined;
  }

  #join(ask: Ask, patienceMs: number): Seat {
    const flight = this.#flightOf(ask.key);
    const seat = new Seat(ask.reader);
    if (flight?.board(seat) === true) {
      this.#meters.miss("memory", ask.toolName, ask.key.server, true);
      this.#meters.joined();
      seat.wait(ask.key.server, patienceMs);
    } else {
      this.#meters.miss("memory", ask.toolName, ask.key.server, this.#second === undefined);
      this.#lead(ask, seat);
    }
    return seat;
  }

  // Another gateway may have fetched it anew already.
  #refresh(key: CacheKey, reader: CacheReader): void {
    const flight = this.#takeOff(key, []);
    const asked = this.#second?.get(key);
    if (asked === undefined) this.#begin(flight, () => reader.refresh(flight));
    // oxlint-disable-next-line promise/prefer-await-to-then -- the caller has been served
    else void asked.then((answer) => this.#refreshFrom(answer, flight, reader));
  }

  #refreshFrom({ found, stamp }: SecondLevelAnswer, flight: Flight, reader: CacheReader): void {
    if (found !== undefined) {
      flight.keep(found.body, found.fresh);
      return;
    }
    flight.stamp = stamp;
    try {
      this.#begin(flight, () => reader.refresh(flight));
    } catch (error) {
      this.#home.misbehaved(error);
    }
  }

  #begin(flight: Flight, begin: () => void): void {
    try {
      begin();
    } catch (error) {
      flight.abandon();
      throw error;
    }
  }

  // A call that began before something was cleared brings its answer to those who asked before that, and to no others.
  #flightOf(key: CacheKey): Flight | undefined {
    const flight = this.#flights.get(key.text);
    if (flight === undefined || flight.generation !== this.#store.generation(key.server)) {
      return undefined;
    }
    const age = this.#clock.monotonicMs() - flight.startedAt;
    return age < FLIGHT_AGE_MAX_MS ? flight : undefined;
  }

  // It takes the place of a flight that nobody may board any more; that one lands without being found.
  #takeOff(key: CacheKey, riders: Seat[]): Flight {
    const startedAt = this.#clock.monotonicMs();
    const generation = this.#store.generation(key.server);
    const flight = new Flight({ key, generation, startedAt }, riders, this.#home);
    if (this.#flights.size < FLIGHTS_MAX || this.#flights.has(key.text)) {
      this.#flights.set(key.text, flight);
    }
    return flight;
  }

  readonly #home = {
    landed: (flight: Flight) => {
      if (this.#flights.get(flight.key.text) === flight) this.#flights.delete(flight.key.text);
    },
    keep: (flight: Flight, body: Buffer, fresh: Freshness) => {
      if (!this.store(flight.key, body, fresh, flight.generation)) return;
      if (flight.stamp !== undefined) this.#second?.set(flight.key, body, fresh, flight.stamp);
    },
    standIn: (key: CacheKey) => this.#standIn(key),
    takeOff: (key: CacheKey, riders: Seat[]) => this.#takeOff(key, riders),
    misbehaved: (error: unknown) => {
      this.#log.error({ error: messageOf(error) }, "A reader of the cache failed");
    },
  };

  #standIn(key: CacheKey): CacheHit | undefined {
    const now = this.#clock.monotonicMs();
    const entry = this.#store.get(key, now);
    if (entry === undefined) return undefined;
    entry.refreshAfter = now + REFRESH_PAUSE_MS;
    const usable = now < entry.facts.freshUntil + this.#options.stale_if_error;
    return usable ? hitOf(entry, now) : undefined;
  }

  #lead(ask: Ask, seat: Seat): void {
    const flight = this.#takeOff(ask.key, []);
    const asked = this.#second?.get(ask.key);
    if (asked !== undefined) {
      seat.state = "leading";
      seat.flight = flight;
      // oxlint-disable-next-line promise/prefer-await-to-then -- the caller goes on meanwhile
      void asked.then((answer) => this.#goOn(ask, seat, flight, answer));
      return;
    }
    if (this.#second !== undefined) this.#meters.miss("redis", ask.toolName, ask.key.server, true);
    this.#begin(flight, () => seat.lead(flight));
  }

  #goOn(ask: Ask, seat: Seat, flight: Flight, { found, stamp }: SecondLevelAnswer): void {
    if (found === undefined) this.#meters.miss("redis", ask.toolName, ask.key.server, true);
    else this.#meters.hit("redis", ask.toolName, ask.key.server);
    if (seat.state === "left") return;
    try {
      if (found === undefined) {
        flight.stamp = stamp;
        ask.reader.fetch(flight);
      } else {
        const { body, fresh } = found;
        flight.keep(body, fresh);
        ask.reader.hit({ body, ttlLeftMs: fresh.told ? fresh.ttlMs : undefined });
      }
    } catch (error) {
      this.#home.misbehaved(error);
      flight.abandon();
    }
  }

  #invalidate(what: Invalidation): number {
    const count = this.forget(what);
    this.#second?.invalidate(what);
    return count;
  }
}

interface Ask {
  readonly key: CacheKey;
  readonly toolName: string;
  readonly reader: CacheReader;
}

const MISS = { state: "miss" } as const;

/** A refresh that failed is not tried again for so long, however often its answer is asked for. */
const REFRESH_PAUSE_MS = 1_000;
/** Equal calls do not wait for one that has been under way for longer. */
const FLIGHT_AGE_MAX_MS = 10 * 60_000;
/** More calls at once are made without others waiting for them. */
const FLIGHTS_MAX = 10_000;

function hitOf({ facts }: Entry, now: number): CacheHit {
  const ttlLeftMs = facts.told ? Math.max(0, facts.freshUntil - now) : undefined;
  return { body: facts.body, ttlLeftMs };
}
