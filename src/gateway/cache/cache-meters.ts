/** Metrics and statistics of the cache, in slots that a tool's first lookup binds. */
import type { CounterSlot, Metrics } from "../../foundation/index.ts";
import type { EvictionReason } from "./memory-store.ts";

export type CacheLevel = "memory" | "redis";

/** What the cache has done since the start. */
export interface CacheStatistics {
  readonly keys: number;
  readonly bytes: number;
  /** Lookups that found an answer, old ones and those of the second level among them. */
  readonly hits: number;
  readonly misses: number;
  readonly staleHits: number;
  /** Calls that were spared because an equal one was under way. */
  readonly joined: number;
  /** Hits of all lookups, 0 to 1; undefined where nothing was looked up. */
  readonly hitRate: number | undefined;
  readonly evictions: Readonly<Record<EvictionReason, number>>;
}

/** The same of one server. */
export interface ServerCacheStatistics {
  readonly keys: number;
  readonly bytes: number;
  readonly hits: number;
  readonly misses: number;
  readonly hitRate: number | undefined;
}

interface Lookups {
  hits: number;
  misses: number;
}

interface ToolSlots {
  readonly hits: CounterSlot;
  readonly misses: CounterSlot;
}

/** Beyond this many tools the slots are bound anew, and beyond as many servers their counts begin anew. */
const SLOTS_MAX = 10_000;

export class CacheMeters {
  readonly #hits;
  readonly #misses;
  readonly #evictions: Readonly<Record<EvictionReason, CounterSlot>>;
  readonly #joined: CounterSlot;
  readonly #slots: Readonly<Record<CacheLevel, Map<string, ToolSlots>>> = {
    memory: new Map(),
    redis: new Map(),
  };
  readonly #size: () => { keys: number; bytes: number };
  readonly #all: Lookups = { hits: 0, misses: 0 };
  readonly #byServer = new Map<string, Lookups>();
  #staleCount = 0;

  /** `size` is asked when the numbers are read. */
  constructor(metrics: Metrics, size: () => { keys: number; bytes: number }) {
    this.#size = size;
    this.#hits = metrics.counter(
      "mcp_cache_hits_total",
      "Answers given from the cache, by level and tool.",
      ["cache_type", "tool_name"],
    );
    this.#misses = metrics.counter(
      "mcp_cache_misses_total",
      "Lookups that found no answer in the cache, by level and tool.",
      ["cache_type", "tool_name"],
    );
    const evictions = metrics.counter(
      "mcp_cache_evictions_total",
      "Answers that were taken out of the cache's memory, by reason.",
      ["eviction_reason"],
    );
    this.#evictions = {
      size: evictions.slot("size"),
      bytes: evictions.slot("bytes"),
      ttl: evictions.slot("ttl"),
      invalidated: evictions.slot("invalidated"),
    };
    this.#joined = metrics
      .counter(
        "mcp_cache_joined_total",
        "Calls that waited for an equal one instead of being made.",
      )
      .slot();
    const items = metrics.gauge("mcp_cache_size_items", "Answers in the cache's memory.").slot();
    const bytes = metrics.gauge("mcp_cache_size_bytes", "Bytes of the cache's memory.").slot();
    metrics.collect(() => {
      const now = size();
      items.set(now.keys);
      bytes.set(now.bytes);
    });
  }

  hit(level: CacheLevel, tool: string, server: string): void {
    this.#all.hits++;
    this.#lookupsOf(server).hits++;
    this.#slotsOf(level, tool).hits.inc();
  }

  staleHit(tool: string, server: string): void {
    this.#staleCount++;
    this.hit("memory", tool, server);
  }

  /** `last`: whether no further level is asked. */
  miss(level: CacheLevel, tool: string, server: string, last: boolean): void {
    if (last) {
      this.#all.misses++;
      this.#lookupsOf(server).misses++;
    }
    this.#slotsOf(level, tool).misses.inc();
  }

  joined(): void {
    this.#joined.inc();
  }

  evicted(reason: EvictionReason, count: number): void {
    this.#evictions[reason].inc(count);
  }

  statistics(): CacheStatistics {
    return {
      ...this.#size(),
      ...this.#all,
      staleHits: this.#staleCount,
      joined: this.#joined.value,
      hitRate: rateOf(this.#all),
      evictions: {
        size: this.#evictions.size.value,
        bytes: this.#evictions.bytes.value,
        ttl: this.#evictions.ttl.value,
        invalidated: this.#evictions.invalidated.value,
      },
    };
  }

  /** What lookups of one server's answers found. */
  lookups(server: string): Lookups & { readonly hitRate: number | undefined } {
    const counted = this.#byServer.get(server) ?? { hits: 0, misses: 0 };
    return { ...counted, hitRate: rateOf(counted) };
  }

  #lookupsOf(server: string): Lookups {
    const known = this.#byServer.get(server);
    if (known !== undefined) return known;
    if (this.#byServer.size >= SLOTS_MAX) this.#byServer.clear();
    const made = { hits: 0, misses: 0 };
    this.#byServer.set(server, made);
    return made;
  }

  #slotsOf(level: CacheLevel, tool: string): ToolSlots {
    const slots = this.#slots[level];
    const known = slots.get(tool);
    if (known !== undefined) return known;
    if (slots.size >= SLOTS_MAX) slots.clear();
    const made = { hits: this.#hits.slot(level, tool), misses: this.#misses.slot(level, tool) };
    slots.set(tool, made);
    return made;
  }
}

function rateOf({ hits, misses }: Lookups): number | undefined {
  const all = hits + misses;
  return all === 0 ? undefined : hits / all;
}
