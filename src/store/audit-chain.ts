// How the records of the audit trail hang together: each one's hash covers all that it says and the hash of the one before
// it, so that none can be changed, taken out or put elsewhere without every later hash being wrong.
import { createHash } from "node:crypto";

/** A record before it has its place in the chain. Values are JSON as text. */
export interface AuditEntry {
  readonly id: string;
  /** Epoch milliseconds, whole. */
  readonly at: number;
  readonly action: string;
  readonly actorId: string;
  readonly actorName: string;
  readonly actorKind: string;
  readonly target: string | null;
  readonly project: string | null;
  readonly outcome: string;
  readonly code: string | null;
  readonly before: string | null;
  readonly after: string | null;
  readonly details: string | null;
  readonly address: string | null;
  readonly requestId: string | null;
}

export interface AuditRecord extends AuditEntry {
  readonly seq: number;
  /** SHA-256 in hex. */
  readonly hash: string;
}

/** Where the chain begins (what retention has left of it) and ends. */
export interface AuditHead {
  readonly baseSeq: number;
  readonly baseHash: string;
  readonly seq: number;
  readonly hash: string;
}

/** Something wrong with the chain. */
export interface AuditFault {
  readonly seq: number;
  readonly kind: "edited" | "missing" | "truncated" | "replaced";
  readonly sentence: string;
}

/** The hash of an entry at a place of the chain, after a record of the hash `previous`. */
export function hashOf(seq: number, entry: AuditEntry, previous: string): string {
  const { id, at, action, actorId, actorName, actorKind, target, project, outcome } = entry;
  const { code, before, after, details, address, requestId } = entry;
  const said = [seq, id, at, action, actorId, actorName, actorKind, target, project, outcome];
  const more = [code, before, after, details, address, requestId];
  return createHash("sha256")
    .update(`${previous}\n${JSON.stringify([...said, ...more])}`)
    .digest("hex");
}

/** Checks records in their order, a page at a time; `faults` has the first hundred. */
export class ChainCheck {
  readonly faults: AuditFault[] = [];
  readonly #head: AuditHead;
  #seq: number;
  #hash: string;
  #checked = 0;
  readonly #anchor: string | undefined;
  #anchored: boolean;

  /** With an anchor, a hash that a head had once, some record must still have it. */
  constructor(head: AuditHead, anchor?: string) {
    this.#head = head;
    this.#anchor = anchor;
    this.#anchored = anchor === undefined || anchor === head.baseHash;
    this.#seq = head.baseSeq;
    this.#hash = head.baseHash;
  }

  /** Records that were looked at. */
  get checked(): number {
    return this.#checked;
  }

  /** The place of the last record that was looked at. */
  get seq(): number {
    return this.#seq;
  }

  next(records: readonly AuditRecord[]): void {
    for (const record of records) this.#check(record);
  }

  /** After the last record: whether the chain ends where its head says. */
  end(): void {
    const { seq, hash } = this.#head;
    if (this.#seq < seq)
      this.#add(seq, "truncated", `records ${this.#seq + 1} to ${seq}, the last ones, are gone`);
    else if (this.#seq === seq && this.#hash !== hash)
      this.#add(seq, "edited", `record ${seq}, the last one, is not the one that was written`);
    if (!this.#anchored) this.#add(seq, "replaced", this.#unanchored());
  }

  // A chain that was written anew from its beginning is whole; only a hash kept elsewhere tells that it is another one.
  #unanchored(): string {
    const { baseSeq } = this.#head;
    const or =
      baseSeq === 0
        ? ""
        : `, unless it was one of the first ${baseSeq}, which retention has taken away`;
    return `no record has the hash ${this.#anchor ?? ""}: the trail is not the one it was taken from${or}`;
  }

  // After a fault it goes on from what stands there, so that one edited record is one fault and not thousands.
  #check(record: AuditRecord): void {
    const { seq, hash } = record;
    if (seq !== this.#seq + 1) {
      const from = this.#seq + 1;
      const which = from === seq - 1 ? `record ${from} is` : `records ${from} to ${seq - 1} are`;
      this.#add(from, "missing", `${which} gone`);
    } else if (hash !== hashOf(seq, record, this.#hash)) {
      // Either this one says something else than it said, or the one before it does and was given a new hash.
      this.#add(seq, "edited", `record ${seq}, or the hash of the one before it, was changed`);
    }
    this.#seq = seq;
    this.#hash = hash;
    if (hash === this.#anchor) this.#anchored = true;
    this.#checked++;
  }

  #add(seq: number, kind: AuditFault["kind"], sentence: string): void {
    if (this.faults.length < FAULTS_MAX) this.faults.push({ seq, kind, sentence });
  }
}

const FAULTS_MAX = 100;
