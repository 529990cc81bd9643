// What pins need of the store, and no more.
import type { PinKey, PinState } from "./pin.ts";

/** Times are epoch milliseconds. */
export interface PinRow extends PinKey {
  readonly state: PinState;
  readonly approved: readonly string[];
  readonly pending?: string;
  readonly firstSeen: number;
  readonly changedAt: number;
  readonly decidedBy?: string;
  readonly decidedAt?: number;
}

export interface PinDetail extends PinRow {
  /** Canonical JSON of the newest approved definition. */
  readonly definition?: string;
  readonly pendingDefinition?: string;
}

export interface PinSight extends PinKey {
  readonly hash: string;
  readonly definition: string;
  readonly at: number;
}

export interface PinDecision {
  readonly by: string;
  readonly at: number;
  readonly hash?: string;
}

/** Every method throws STORE_UNAVAILABLE while the database is away. */
export interface PinTable {
  list(): Promise<readonly PinRow[]>;
  get(key: PinKey): Promise<PinDetail | undefined>;
  /** Returns what was known already and stays as it was. */
  addFirst(sights: readonly PinSight[]): Promise<readonly PinKey[]>;
  addPending(sights: readonly PinSight[]): Promise<void>;
  accept(sights: readonly PinSight[]): Promise<void>;
  approve(key: PinKey, decision: PinDecision): Promise<PinRow | undefined>;
  reject(key: PinKey, decision: PinDecision): Promise<PinRow | undefined>;
  approveAll(server: string, decision: PinDecision): Promise<readonly PinRow[]>;
  forget(server: string): Promise<number>;
}

export interface PinStore {
  readonly pins: PinTable;
  /** Tells that something was changed, in another process; returns how to stop listening. */
  onChange(listener: () => void): () => void;
}
