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

interface ToolSlots {
  readonly hits: CounterSlot;
  readonly misses: CounterSlot;
}

/** Beyond this many tools the slots are bound anew. */
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
  #hitCount = 0;
  #missCount = 0;
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

  hit(level: CacheLevel, tool: string): void {
    this.#hitCount++;
    this.#slotsOf(level, tool).hits.inc();
  }

  staleHit(tool: string): void {
    this.#staleCount++;
    this.hit("memory", tool);
  }

  /** `last`: whether no further level is asked. */
  miss(level: CacheLevel, tool: string, last: boolean): void {
    if (last) this.#missCount++;
    this.#slotsOf(level, tool).misses.inc();
  }

  joined(): void {
    this.#joined.inc();
  }

  evicted(reason: EvictionReason, count: number): void {
    this.#evictions[reason].inc(count);
  }

  statistics(): CacheStatistics {
    const lookups = this.#hitCount + this.#missCount;
    return {
      ...this.#size(),
      hits: this.#hitCount,
      misses: this.#missCount,
      staleHits: this.#staleCount,
      joined: this.#joined.value,
      hitRate: lookups === 0 ? undefined : this.#hitCount / lookups,
      evictions: {
        size: this.#evictions.size.value,
        bytes: this.#evictions.bytes.value,
        ttl: this.#evictions.ttl.value,
        invalidated: this.#evictions.invalidated.value,
      },
    };
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
