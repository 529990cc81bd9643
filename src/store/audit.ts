// The audit trail: written in one chain by all gateways of a database, read by pages, and only shortened from its beginning.
import type { PoolClient } from "pg";
import {
  ChainCheck,
  hashOf,
  type AuditEntry,
  type AuditFault,
  type AuditHead,
  type AuditRecord,
} from "./audit-chain.ts";
import type { Database } from "./database.ts";

export interface AuditFilter extends AuditConditions {
  /** From 1 to 1,000. */
  readonly limit: number;
  /** Only records before this place, as a page's last one tells it. */
  readonly beforeSeq?: number;
}

export interface AuditConditions {
  readonly action?: string | undefined;
  readonly actorId?: string | undefined;
  readonly target?: string | undefined;
  /** Only what concerns this server or one of its tools. */
  readonly server?: string | undefined;
  readonly outcome?: string | undefined;
  /** Whether it went well. */
  readonly success?: boolean | undefined;
  readonly project?: string | undefined;
  /** Epoch milliseconds: only records from then on, and only those before. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

export interface AuditVerdict {
  readonly checked: number;
  readonly head: AuditHead;
  /** The first hundred; none when all is well. */
  readonly faults: readonly AuditFault[];
}

export interface AuditLog {
  /** Resolves when they are on the disk. An entry whose id is there already is left out. */
  append(entries: readonly AuditEntry[]): Promise<void>;
  /** The newest first. */
  recent(filter: AuditFilter): Promise<AuditRecord[]>;
  /** The oldest first: those behind a place, at most `limit`. */
  after(seq: number, limit: number, conditions?: AuditConditions): Promise<AuditRecord[]>;
  head(): Promise<AuditHead>;
  /**
   * Reads the whole chain and says what is wrong with it; with an anchor, the hash of an earlier head, also whether it is still
   * the same chain. Stops, rejecting, when the signal aborts.
   */
  verify(signal: AbortSignal, anchor?: string): Promise<AuditVerdict>;
  /** Takes away records before a time (epoch milliseconds), the oldest first, and tells how many. */
  prune(before: number): Promise<number>;
}

const LIMIT_MAX = 1000;
const PAGE = 1000;
/** Deleted at once: few enough for the deadline of a query. */
const PRUNE_CHUNK = 5000;

/** The audit trail of a database. */
export function auditIn(database: Database): AuditLog {
  const after = async (
    seq: number,
    limit: number,
    conditions: AuditConditions = {},
  ): Promise<AuditRecord[]> => {
    const { where, values } = whereOf({ ...conditions, afterSeq: seq });
    const { rows } = await database.query(
      `${SELECT}${where} ORDER BY seq LIMIT ${bounded(limit)}`,
      values,
    );
    return rows.map(toRecord);
  };
  const head = async (): Promise<AuditHead> => {
    const { rows } = await database.query(HEAD);
    return toHead(rows[0]);
  };
  return {
    after,
    head,
    async append(entries): Promise<void> {
      if (entries.length === 0) return;
      await database.onOneConnection((client) =>
        inTransaction(client, () => write(client, entries)),
      );
    },
    async recent(filter): Promise<AuditRecord[]> {
      const { where, values } = whereOf(filter);
      const { rows } = await database.query(
        `${SELECT}${where} ORDER BY seq DESC LIMIT ${bounded(filter.limit)}`,
        values,
      );
      return rows.map(toRecord);
    },
    // The head is read first: what is written meanwhile lies behind it and is not looked at.
    async verify(signal, anchor): Promise<AuditVerdict> {
      const until = await head();
      const check = new ChainCheck(until, anchor);
      for (;;) {
        signal.throwIfAborted();
        const page = await after(check.seq, PAGE);
        const within = page.filter(({ seq }) => seq <= until.seq);
        check.next(within);
        if (page.length === 0 || within.length < page.length) break;
      }
      check.end();
      return { checked: check.checked, head: until, faults: check.faults };
    },
    async prune(before): Promise<number> {
      for (let pruned = 0; ;) {
        const deleted = await database.onOneConnection((client) =>
          inTransaction(client, () => pruneChunk(client, before)),
        );
        pruned += deleted;
        if (deleted < PRUNE_CHUNK) return pruned;
      }
    },
  };
}

const COLUMNS = `seq, id, (extract(epoch from at) * 1000)::float8 AS at, action, actor_id, actor_name, actor_kind, target,
  project, outcome, code, value_before, value_after, details, address, request_id, hash`;
const SELECT = `SELECT ${COLUMNS} FROM signalbox.audit_log`;
const HEAD = "SELECT base_seq, base_hash, seq, hash FROM signalbox.audit_head";

async function write(client: PoolClient, entries: readonly AuditEntry[]): Promise<void> {
  const locked = toHead((await client.query(`${HEAD} FOR UPDATE`)).rows[0]);
  const known = await client.query("SELECT id FROM signalbox.audit_log WHERE id = ANY($1)", [
    entries.map(({ id }) => id),
  ]);
  const written = new Set(known.rows.map(({ id }: { id: string }) => id));
  let { seq, hash } = locked;
  const rows = entries
    .filter(({ id }) => !written.has(id))
    .map((entry) => {
      seq++;
      hash = hashOf(seq, entry, hash);
      return toRow({ ...entry, seq, hash });
    });
  if (rows.length === 0) return;
  await client.query(INSERT, [JSON.stringify(rows)]);
  await client.query("UPDATE signalbox.audit_head SET seq = $1, hash = $2", [seq, hash]);
}

const INSERT = `
  INSERT INTO signalbox.audit_log (seq, id, at, action, actor_id, actor_name, actor_kind, target, project, outcome, code,
    value_before, value_after, details, address, request_id, hash)
  SELECT seq, id, to_timestamp(at / 1000.0), action, actor_id, actor_name, actor_kind, target, project, outcome, code,
    value_before, value_after, details, address, request_id, hash
  FROM jsonb_to_recordset($1::jsonb) AS row (seq bigint, id text, at float8, action text, actor_id text, actor_name text,
    actor_kind text, target text, project text, outcome text, code text, value_before text, value_after text, details text,
    address text, request_id text, hash text)`;

async function pruneChunk(client: PoolClient, before: number): Promise<number> {
  const { baseSeq } = toHead((await client.query(`${HEAD} FOR UPDATE`)).rows[0]);
  // From the beginning on only, so that what is left is one chain.
  const { rows } = await client.query(
    `SELECT max(seq) AS last FROM (
       SELECT seq, at FROM signalbox.audit_log WHERE seq > $1 ORDER BY seq LIMIT ${PRUNE_CHUNK}
     ) AS oldest WHERE at < to_timestamp($2::float8 / 1000.0)`,
    [baseSeq, before],
  );
  const last = Number(rows[0]?.last ?? 0);
  if (last <= baseSeq) return 0;
  await client.query("SET LOCAL signalbox.audit_retention = 'on'");
  await client.query(
    `UPDATE signalbox.audit_head SET base_seq = $1,
       base_hash = (SELECT hash FROM signalbox.audit_log WHERE seq = $1)`,
    [last],
  );
  const { rowCount } = await client.query("DELETE FROM signalbox.audit_log WHERE seq <= $1", [
    last,
  ]);
  return rowCount ?? 0;
}

async function inTransaction<T>(client: PoolClient, work: () => Promise<T>): Promise<T> {
  await client.query("BEGIN");
  try {
    const result = await work();
    await client.query("COMMIT");
    return result;
  } catch (error) {
    await client.query("ROLLBACK").catch(() => undefined);
    throw error;
  }
}

function whereOf(filter: AuditConditions & { beforeSeq?: number; afterSeq?: number }): {
  where: string;
  values: unknown[];
} {
  const values: unknown[] = [];
  const conditions: string[] = [];
  const add = (sql: (place: string) => string, value: unknown): void => {
    if (value === undefined) return;
    values.push(value);
    conditions.push(sql(`$${values.length}`));
  };
  add((place) => `action = ${place}`, filter.action);
  add((place) => `actor_id = ${place}`, filter.actorId);
  add((place) => `target = ${place}`, filter.target);
  add(
    (place) =>
      `(target = 'server:' || ${place}::text OR starts_with(target, 'tool:' || ${place}::text || '__'))`,
    filter.server,
  );
  add((place) => `outcome = ${place}`, filter.outcome);
  add((place) => `(outcome = 'ok') = ${place}::boolean`, filter.success);
  add((place) => `project = ${place}`, filter.project);
  add((place) => `at >= to_timestamp(${place}::float8 / 1000.0)`, filter.from);
  add((place) => `at < to_timestamp(${place}::float8 / 1000.0)`, filter.to);
  add((place) => `seq < ${place}`, filter.beforeSeq);
  add((place) => `seq > ${place}`, filter.afterSeq);
  return { where: conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`, values };
}

function bounded(limit: number): number {
  return Math.min(Math.max(1, Math.trunc(limit)), LIMIT_MAX);
}

function toRow(record: AuditRecord): Record<string, unknown> {
  const { actorId, actorName, actorKind, before, after, requestId, ...same } = record;
  return {
    ...same,
    actor_id: actorId,
    actor_name: actorName,
    actor_kind: actorKind,
    value_before: before,
    value_after: after,
    request_id: requestId,
  };
}

function toRecord(row: Record<string, unknown>): AuditRecord {
  const text = (name: string): string => textOf(row[name]);
  const optional = (name: string): string | null => {
    const value = row[name];
    return typeof value === "string" ? value : null;
  };
  return {
    seq: Number(row["seq"]),
    id: text("id"),
    at: Math.round(Number(row["at"])),
    action: text("action"),
    actorId: text("actor_id"),
    actorName: text("actor_name"),
    actorKind: text("actor_kind"),
    target: optional("target"),
    project: optional("project"),
    outcome: text("outcome"),
    code: optional("code"),
    before: optional("value_before"),
    after: optional("value_after"),
    details: optional("details"),
    address: optional("address"),
    requestId: optional("request_id"),
    hash: text("hash"),
  };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function toHead(row: Record<string, unknown> | undefined): AuditHead {
  return {
    baseSeq: Number(row?.["base_seq"] ?? 0),
    baseHash: textOf(row?.["base_hash"]),
    seq: Number(row?.["seq"] ?? 0),
    hash: textOf(row?.["hash"]),
  };
}
