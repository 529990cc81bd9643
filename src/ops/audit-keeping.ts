// What is done to the audit trail while nobody asks: it is verified at the start and once a day, and its oldest records go when
// their time is over. The head's hash is logged each time it was verified: whoever keeps the log elsewhere has an anchor that
// nobody with the database alone can change.
import {
  GATEWAY_ACTOR,
  messageOf,
  repeat,
  type AuditSink,
  type Clock,
  type GaugeSlot,
  type Log,
  type Metrics,
} from "../foundation/index.ts";

/** What a verification has found. */
export interface AuditVerdict {
  readonly checked: number;
  readonly head: {
    readonly baseSeq: number;
    readonly baseHash: string;
    readonly seq: number;
    readonly hash: string;
  };
  /** The first hundred; none when all is well. */
  readonly faults: readonly {
    readonly seq: number;
    readonly kind: string;
    readonly sentence: string;
  }[];
}

export interface AuditKeepingDeps {
  /** Throws STORE_UNAVAILABLE. */
  readonly verify: (signal: AbortSignal, anchor: string | undefined) => Promise<AuditVerdict>;
  /** Deletes what is older than a time, and tells how many. */
  readonly prune: (before: number) => Promise<number>;
  /** 0 keeps everything. */
  readonly retentionMs: number;
  readonly audit: AuditSink;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
}

const VERIFY_FIRST_MS = 5_000;
const VERIFY_EVERY_MS = 86_400_000;
const VERIFY_WITHIN_MS = 600_000;
const PRUNE_FIRST_MS = 10_000;
const PRUNE_EVERY_MS = 3_600_000;
/** Verifications that wait for the one that runs. */
const WAITING_MAX = 20;

export class AuditKeeping {
  readonly #deps: AuditKeepingDeps;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #valid: GaugeSlot | undefined;

  constructor(deps: AuditKeepingDeps) {
    this.#deps = deps;
  }

  start(): void {
    const { signal, log, retentionMs } = this.#deps;
    repeat(() => this.#verifyAndSay(), {
      firstMs: VERIFY_FIRST_MS,
      everyMs: VERIFY_EVERY_MS,
      signal,
      failed: (error) =>
        log.warn({ error: messageOf(error) }, "The audit trail could not be verified"),
    });
    if (retentionMs === 0) return;
    repeat(() => this.#prune(), {
      firstMs: PRUNE_FIRST_MS,
      everyMs: PRUNE_EVERY_MS,
      signal,
      failed: (error) =>
        log.warn(
          { error: messageOf(error) },
          "Old records of the audit trail could not be deleted",
        ),
    });
  }

  /** Reads the whole trail, one verification at a time; undefined where too many wait already. */
  async verify(anchor?: string): Promise<AuditVerdict | undefined> {
    if (this.#waiting >= WAITING_MAX) return undefined;
    this.#waiting++;
    const turn = this.#last.then(() => this.#verifyNow(anchor));
    this.#last = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      this.#waiting--;
    }
  }

  async #verifyNow(anchor: string | undefined): Promise<AuditVerdict> {
    const { verify, signal, metrics } = this.#deps;
    const verdict = await verify(
      AbortSignal.any([signal, AbortSignal.timeout(VERIFY_WITHIN_MS)]),
      anchor,
    );
    this.#valid ??= metrics
      .gauge("mcp_audit_chain_valid", "1 while the audit trail's last verification found no fault.")
      .slot();
    // An anchor that does not fit may be mistyped; what everybody sees is about the chain alone.
    this.#valid.set(verdict.faults.every(({ kind }) => kind === "replaced") ? 1 : 0);
    return verdict;
  }

  async #verifyAndSay(): Promise<void> {
    const { log } = this.#deps;
    const verdict = await this.verify();
    if (verdict === undefined) return;
    const { checked, head, faults } = verdict;
    const fields = { records: checked, head: head.seq, hash: head.hash };
    if (faults.length === 0) {
      log.info(fields, "The audit trail is whole");
      return;
    }
    const found = faults.slice(0, FAULTS_SAID).map(({ sentence }) => sentence);
    log.error({ ...fields, faults: faults.length, found }, "The audit trail was tampered with");
  }

  async #prune(): Promise<void> {
    const { prune, retentionMs, clock, audit } = this.#deps;
    const before = clock.now() - retentionMs;
    const records = await prune(before);
    if (records === 0) return;
    audit({
      action: "audit.prune",
      actor: GATEWAY_ACTOR,
      outcome: "ok",
      details: { records, before: new Date(before).toISOString() },
    });
  }
}

const FAULTS_SAID = 10;
