/**
 * Answers that several gateways share, in Redis or Valkey, behind each one's memory. It may be down, slow or lying about:
 * a call waits for it at most `getTimeoutMs`, and once it has missed that a few times in a row, not at all.
 *
 *   connecting ── ready ──▶ up ── connection lost, or several reads in a row too late ──▶ down
 *                           ▲                                                            │
 *                           └──── ready again, or a ping answered in time ───────────────┘
 *
 * An answer is stored with a stamp: the marks of its server and of everything, as they were before the server was asked.
 * Clearing replaces a mark by a new random one, so that answers under the old one, also those that are only now being
 * stored, are never read again. What could not be cleared while Redis was down is cleared before it is read from again.
 */
import { RESP_TYPES } from "@redis/client";
import {
  messageOf,
  type Clock,
  type CounterSlot,
  type Log,
  type Metrics,
} from "../../foundation/index.ts";
import { isJsonObject, parseJson, stringify } from "../../protocol/index.ts";
import { redisClient } from "../redis/redis-client.ts";
import type { CacheKey } from "./cache-key.ts";
import type { Freshness } from "./flight.ts";
import { PendingInvalidations, readInvalidation } from "./pending-invalidations.ts";
import { decodeRecord, encodeRecord } from "./redis-record.ts";
import type {
  Invalidation,
  SecondLevel,
  SecondLevelAnswer,
  SecondLevelHealth,
  SecondLevelListener,
} from "./second-level.ts";

export interface RedisStoreOptions {
  readonly url: string;
  /** What all keys begin with. */
  readonly prefix: string;
  /** How long a call waits for an answer out of Redis. Default 50 ms. */
  readonly getTimeoutMs?: number;
}

export interface RedisStoreDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** A random text that does not come twice. */
  readonly token: () => string;
}

export class RedisStore implements SecondLevel {
  readonly type = "redis";
  readonly #prefix: string;
  readonly #getTimeoutMs: number;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #token: () => string;
  readonly #id: string;
  readonly #client: ReturnType<typeof redisClient>;
  readonly #dropped: CounterSlot;
  readonly #pending = new PendingInvalidations();
  #listener: SecondLevelListener | undefined;
  #state: State = { kind: "connecting" };
  #subscribed = false;
  #lateInARow = 0;
  #lateAt = 0;
  /** Whether a clearing by another gateway may have gone unheard. */
  #deaf = true;
  #writes = 0;
  #writeBytes = 0;
  #flush: NodeJS.Timeout | undefined;
  #probe: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: RedisStoreOptions, { clock, log, metrics, token }: RedisStoreDeps) {
    this.#prefix = options.prefix;
    this.#getTimeoutMs = options.getTimeoutMs ?? GET_TIMEOUT_MS;
    this.#clock = clock;
    this.#log = log;
    this.#token = token;
    this.#id = token();
    this.#dropped = metrics
      .counter("mcp_cache_writes_dropped_total", "Answers not written to Redis for want of room.")
      .slot();
    this.#client = redisClient(options.url);
    this.#client.on("error", (error: unknown) => this.#down(messageOf(error)));
    this.#client.on("ready", () => this.#connected());
  }

  listen(listener: SecondLevelListener): void {
    this.#listener = listener;
  }

  /** Connects, and connects again whenever the connection is lost; nothing waits for that. */
  start(): void {
    this.#client.connect().catch((error: unknown) => this.#down(messageOf(error)));
  }

  /** Tells what is still to be told, for at most half a second, and ends. */
  async close(): Promise<void> {
    if (this.#closed) return;
    clearTimeout(this.#flush);
    clearTimeout(this.#probe);
    if (this.#state.kind === "up" && !this.#pending.isEmpty) {
      await within(CLOSE_TIMEOUT_MS, this.#tell());
    }
    this.#closed = true;
    clearTimeout(this.#flush);
    if (this.#client.isOpen) this.#client.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  health(): SecondLevelHealth {
    const state = this.#state;
    if (state.kind === "up") return { status: "ok" };
    if (state.kind === "connecting") {
      return { status: "warning", message: "The connection to Redis is being made." };
    }
    const since = new Date(state.since).toISOString();
    return {
      status: "warning",
      message: `Redis is not to be had since ${since}, so that each gateway keeps answers for itself: ${state.reason}`,
    };
  }

  get(key: CacheKey): Promise<SecondLevelAnswer> | undefined {
    if (this.#state.kind !== "up" || this.#pending.touches(key.server)) return undefined;
    return this.#get(key);
  }

  set(key: CacheKey, body: Buffer, fresh: Freshness, stamp: string): void {
    if (this.#state.kind !== "up" || this.#pending.touches(key.server)) return;
    const ttlMs = Math.floor(fresh.ttlMs);
    if (ttlMs < 1) return;
    if (this.#writes >= WRITES_MAX || this.#writeBytes + body.length > WRITE_BYTES_MAX) {
      this.#dropped.inc();
      return;
    }
    const record = encodeRecord({ body, stamp, told: fresh.told });
    this.#writes++;
    this.#writeBytes += body.length;
    void this.#quietly(["SET", this.#entryKey(key), record, "PX", String(ttlMs)]).finally(() => {
      this.#writes--;
      this.#writeBytes -= body.length;
    });
  }

  invalidate(what: Invalidation): void {
    if (this.#closed) return;
    this.#pending.add(what);
    if (this.#state.kind === "up") this.#tellSoon();
  }

  async #get(key: CacheKey): Promise<SecondLevelAnswer> {
    const startedAt = this.#clock.monotonicMs();
    const entry = this.#entryKey(key);
    const marks = [this.#markOfAll(), this.#markOf(key.server)];
    const asked = Promise.all([
      this.#client.sendCommand(["MGET", ...marks, entry], BUFFERS),
      this.#client.sendCommand(["PTTL", entry]),
    ]).catch(() => undefined);
    const answer = await within(this.#getTimeoutMs, asked);
    if (answer === LATE) {
      this.#late(startedAt);
      return NOTHING;
    }
    this.#lateInARow = 0;
    if (answer === undefined) return NOTHING;
    return this.#read(marks, answer);
  }

  #read(marks: readonly string[], [values, ttl]: readonly unknown[]): SecondLevelAnswer {
    if (!Array.isArray(values)) return NOTHING;
    const [ofAll, ofServer, stored] = values.map((value) =>
      Buffer.isBuffer(value) ? value : undefined,
    );
    if (ofAll === undefined || ofServer === undefined) {
      // A mark that is gone comes back as a new one, under which nothing has been stored yet.
      for (const mark of marks)
        void this.#quietly(["SET", mark, this.#token(), "NX", "PX", MARK_TTL_MS]);
      return NOTHING;
    }
    const stamp = `${ofAll.toString()}.${ofServer.toString()}`;
    const record = stored === undefined ? undefined : decodeRecord(stored);
    const ttlMs = Number(ttl);
    if (record?.stamp !== stamp || !(ttlMs > 0)) return { found: undefined, stamp };
    return { found: { body: record.body, fresh: { ttlMs, told: record.told } }, stamp };
  }

  // Reads that were under way together are late together, if only because this process was busy: they count as one.
  #late(startedAt: number): void {
    if (startedAt < this.#lateAt || this.#state.kind !== "up") return;
    this.#lateAt = this.#clock.monotonicMs();
    if (++this.#lateInARow < LATE_MAX) return;
    this.#down(`${LATE_MAX} reads in a row took longer than ${this.#getTimeoutMs} ms.`);
  }

  // A connection that stands but does not answer makes no events: it is asked, and no call waits for that.
  #probeLater(afterMs: number): void {
    clearTimeout(this.#probe);
    this.#probe = setTimeout(() => void this.#ping(afterMs), afterMs).unref();
  }

  async #ping(afterMs: number): Promise<void> {
    if (this.#state.kind !== "down" || this.#closed) return;
    const pong = this.#client.sendCommand(["PING"]).then(
      () => true,
      () => false,
    );
    const answer = await within(this.#getTimeoutMs, pong);
    if (answer === true) await this.#ready();
    else this.#probeLater(Math.min(2 * afterMs, PROBE_MAX_MS));
  }

  #connected(): void {
    this.#deaf = true;
    if (this.#state.kind === "up") this.#state = { kind: "connecting" };
    void this.#ready();
  }

  async #ready(): Promise<void> {
    if (this.#hasEnded()) return;
    try {
      if (!this.#subscribed) {
        await this.#client.subscribe(this.#channel(), this.#heard);
        this.#subscribed = true;
      }
    } catch (error) {
      this.#down(messageOf(error));
      return;
    }
    if (this.#hasEnded() || !this.#client.isReady) return;
    clearTimeout(this.#probe);
    this.#lateInARow = 0;
    if (this.#state.kind === "down") this.#log.info({}, "Redis is back: answers are shared again");
    if (this.#deaf) this.#listener?.interrupted();
    this.#deaf = false;
    this.#state = { kind: "up" };
    if (!this.#pending.isEmpty) this.#tellSoon();
  }

  // Asked before and after a wait, during which things change.
  #hasEnded(): boolean {
    return this.#closed || this.#state.kind === "up";
  }

  #down(reason: string): void {
    if (this.#closed || this.#state.kind === "down") return;
    this.#state = { kind: "down", since: this.#clock.now(), reason };
    this.#log.warn(
      { reason },
      "Redis is not to be had: each gateway keeps answers for itself until it is back",
    );
    this.#probeLater(PROBE_FIRST_MS);
  }

  // One function for good: subscribing twice with it is subscribing once.
  readonly #heard = (text: string): void => {
    const note = readNote(text);
    if (note.from === this.#id) return;
    for (const what of note.cleared) this.#listener?.invalidated(what);
  };

  // Writes can be many; what they clear is told together.
  #tellSoon(afterMs = TELL_AFTER_MS): void {
    this.#flush ??= setTimeout(() => {
      this.#flush = undefined;
      void this.#tell();
    }, afterMs).unref();
  }

  async #tell(): Promise<void> {
    const told = this.#pending.take();
    if (told === undefined) return;
    const marks = told.all ? [this.#markOfAll()] : told.servers.map((name) => this.#markOf(name));
    const note = stringify({ from: this.#id, cleared: told.cleared });
    const commands = marks.map((mark) => ["SET", mark, this.#token(), "PX", MARK_TTL_MS]);
    commands.push(["PUBLISH", this.#channel(), note]);
    let againMs = TELL_AFTER_MS;
    try {
      await Promise.all(commands.map((command) => this.#client.sendCommand(command)));
      this.#pending.done(told);
    } catch {
      this.#pending.failed(told);
      againMs = TELL_AGAIN_MS;
    }
    if (!this.#pending.isEmpty && this.#state.kind === "up" && !this.#closed) {
      this.#tellSoon(againMs);
    }
  }

  async #quietly(command: readonly (string | Buffer)[]): Promise<void> {
    try {
      await this.#client.sendCommand(command);
    } catch {
      // Whether the connection is in order is seen elsewhere; a single answer that is not stored is no loss.
    }
  }

  #entryKey({ text }: CacheKey): string {
    return `${this.#prefix}cache:entry:${text}`;
  }

  #markOf(server: string): string {
    return `${this.#prefix}cache:mark:${server}`;
  }

  // No server's name begins with a star.
  #markOfAll(): string {
    return `${this.#prefix}cache:mark:*`;
  }

  #channel(): string {
    return `${this.#prefix}cache:cleared`;
  }
}

type State =
  | { readonly kind: "connecting" }
  | { readonly kind: "up" }
  | { readonly kind: "down"; readonly since: number; readonly reason: string };

const NOTHING: SecondLevelAnswer = { found: undefined, stamp: undefined };
const BUFFERS = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } };

const GET_TIMEOUT_MS = 50;
/** After so many in a row that took longer, no call asks until a ping is answered. */
const LATE_MAX = 3;
const PROBE_FIRST_MS = 1_000;
const PROBE_MAX_MS = 30_000;
const CLOSE_TIMEOUT_MS = 500;
const TELL_AFTER_MS = 5;
/** A Redis that refuses, as one without room does, is not pressed. */
const TELL_AGAIN_MS = 1_000;
/** Answers on their way to Redis; more are dropped. */
const WRITES_MAX = 256;
const WRITE_BYTES_MAX = 16 * 1024 * 1024;
/** Thirty days: marks of servers that are long gone vanish. */
const MARK_TTL_MS = String(30 * 86_400_000);
const CLEARED_MAX = 10_000;

const LATE = Symbol("late");

async function within<T>(ms: number, work: Promise<T>): Promise<T | typeof LATE> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<typeof LATE>((resolve) => {
    timer = setTimeout(() => resolve(LATE), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

interface Note {
  readonly from: unknown;
  readonly cleared: readonly Invalidation[];
}

// One that cannot be read comes from another version: everything is cleared, which is never wrong.
function readNote(text: string): Note {
  const note = readJson(text);
  if (!isJsonObject(note)) return { from: undefined, cleared: [{ kind: "all" }] };
  const { from, cleared } = note;
  if (!Array.isArray(cleared) || cleared.length > CLEARED_MAX) {
    return { from, cleared: [{ kind: "all" }] };
  }
  return { from, cleared: cleared.map((item) => readInvalidation(item)) };
}

function readJson(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}
