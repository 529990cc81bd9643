// Pins are written many at a time, each statement for all of one kind of note, so that the trigger that tells other
// gateways fires once. What a statement did not change it does not return.
import type { Database } from "./database.ts";

export interface PinKey {
  readonly server: string;
  readonly kind: "tools" | "prompts" | "instructions";
  readonly name: string;
}

/** Times are epoch milliseconds, hashes SHA-256 in hex. */
export interface PinRow extends PinKey {
  readonly state: "approved" | "pending" | "rejected";
  readonly approved: readonly string[];
  readonly pending?: string;
  readonly firstSeen: number;
  readonly changedAt: number;
  readonly decidedBy?: string;
  readonly decidedAt?: number;
}

/** A pin with its definitions, which are canonical JSON. */
export interface PinDetail extends PinRow {
  readonly definition?: string;
  readonly pendingDefinition?: string;
}

/** A definition as it was seen. */
export interface PinSight extends PinKey {
  readonly hash: string;
  readonly definition: string;
  readonly at: number;
}

export interface PinDecision {
  readonly by: string;
  readonly at: number;
  /** Decides only where this is what waits. */
  readonly hash?: string;
}

export interface Pins {
  /** All of them, without definitions. */
  list(): Promise<PinRow[]>;
  get(key: PinKey): Promise<PinDetail | undefined>;
  /** Keeps what is seen for the first time and trusted; returns what was known already and stays as it was. */
  addFirst(sights: readonly PinSight[]): Promise<PinKey[]>;
  /** Keeps definitions that need a decision, unless they are approved already. */
  addPending(sights: readonly PinSight[]): Promise<void>;
  /** Approves definitions without a person's decision. */
  accept(sights: readonly PinSight[]): Promise<void>;
  /** Approves what waits; undefined where nothing does, or something else. */
  approve(key: PinKey, decision: PinDecision): Promise<PinRow | undefined>;
  /** Rejects what waits, or takes back the newest approval where nothing does; undefined where it is something else. */
  reject(key: PinKey, decision: PinDecision): Promise<PinRow | undefined>;
  /** Approves all that waits at a server; what was rejected stays so. */
  approveAll(server: string, decision: PinDecision): Promise<PinRow[]>;
  /** Forgets all of a server; how many. */
  forget(server: string): Promise<number>;
}

/** The pins of a database. */
export function pinsIn(database: Database): Pins {
  const rows = async (text: string, values: readonly unknown[]): Promise<PinDetail[]> => {
    const result = await database.query(text, values);
    return result.rows.map(toRow);
  };
  return {
    list: () => rows(`SELECT ${COLUMNS} FROM signalbox.tool_pins ORDER BY server, kind, name`, []),
    async get({ server, kind, name }) {
      const columns = `${COLUMNS}, definition, pending_definition`;
      const [row] = await rows(
        `SELECT ${columns} FROM signalbox.tool_pins WHERE server = $1 AND kind = $2 AND name = $3`,
        [server, kind, name],
      );
      return row;
    },
    async addFirst(sights) {
      const kept = new Set((await rows(FIRST, columnsOf(sights))).map(keyText));
      return sights.filter((sight) => !kept.has(keyText(sight)));
    },
    async addPending(sights) {
      await database.query(PENDING, columnsOf(sights));
    },
    async accept(sights) {
      await database.query(ACCEPT, columnsOf(sights));
    },
    async approve(key, decision) {
      const [row] = await rows(APPROVE, decided(key, decision));
      return row;
    },
    async reject(key, decision) {
      const [row] = await rows(REJECT, decided(key, decision));
      return row;
    },
    approveAll: (server, { by, at }) => rows(APPROVE_ALL, [server, by, new Date(at)]),
    async forget(server) {
      const result = await database.query("DELETE FROM signalbox.tool_pins WHERE server = $1", [
        server,
      ]);
      return result.rowCount ?? 0;
    },
  };
}

const COLUMNS =
  "server, kind, name, state, approved_hashes, pending_hash, first_seen, changed_at, decided_by, decided_at";

const SEEN = `unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
  AS seen (server, kind, name, hash, definition, at)`;

const FIRST = `
  INSERT INTO signalbox.tool_pins (server, kind, name, state, approved_hashes, definition, first_seen, changed_at)
  SELECT server, kind, name, 'approved', ARRAY[hash], definition, at, at FROM ${SEEN}
  ON CONFLICT DO NOTHING
  RETURNING ${COLUMNS}`;

const PENDING = `
  INSERT INTO signalbox.tool_pins AS pin
    (server, kind, name, state, approved_hashes, pending_hash, pending_definition, first_seen, changed_at)
  SELECT server, kind, name, 'pending', '{}', hash, definition, at, at FROM ${SEEN}
  ON CONFLICT (server, kind, name) DO UPDATE SET
    state = CASE pin.state WHEN 'rejected' THEN 'rejected' ELSE 'pending' END,
    pending_hash = excluded.pending_hash,
    pending_definition = excluded.pending_definition,
    changed_at = excluded.changed_at
  WHERE pin.pending_hash IS DISTINCT FROM excluded.pending_hash
    AND excluded.pending_hash <> ALL (pin.approved_hashes)`;

// Eight at a time, as the registry has it: what is approved at once is bounded.
const ACCEPT = `
  INSERT INTO signalbox.tool_pins AS pin
    (server, kind, name, state, approved_hashes, definition, first_seen, changed_at)
  SELECT server, kind, name, 'approved', ARRAY[hash], definition, at, at FROM ${SEEN}
  ON CONFLICT (server, kind, name) DO UPDATE SET
    state = 'approved',
    approved_hashes = (excluded.approved_hashes || pin.approved_hashes)[1:8],
    definition = excluded.definition,
    pending_hash = NULL,
    pending_definition = NULL,
    changed_at = excluded.changed_at
  WHERE pin.state <> 'rejected' AND excluded.approved_hashes[1] <> ALL (pin.approved_hashes)`;

const APPROVED = `
    state = 'approved',
    approved_hashes = (ARRAY[pending_hash] || array_remove(approved_hashes, pending_hash))[1:8],
    definition = pending_definition,
    pending_hash = NULL,
    pending_definition = NULL`;

const THIS_ONE = "server = $1 AND kind = $2 AND name = $3";

const APPROVE = `
  UPDATE signalbox.tool_pins SET ${APPROVED}, decided_by = $4, decided_at = $5, changed_at = $5
  WHERE ${THIS_ONE} AND pending_hash IS NOT NULL AND pending_hash = coalesce($6, pending_hash)
  RETURNING ${COLUMNS}`;

const APPROVE_ALL = `
  UPDATE signalbox.tool_pins SET ${APPROVED}, decided_by = $2, decided_at = $3, changed_at = $3
  WHERE server = $1 AND state = 'pending' AND pending_hash IS NOT NULL
  RETURNING ${COLUMNS}`;

// Where nothing waits, the newest approved one becomes what was rejected.
const REJECT = `
  UPDATE signalbox.tool_pins SET
    state = 'rejected',
    pending_hash = coalesce(pending_hash, approved_hashes[1]),
    pending_definition = CASE WHEN pending_hash IS NULL THEN definition ELSE pending_definition END,
    approved_hashes = CASE WHEN pending_hash IS NULL THEN approved_hashes[2:] ELSE approved_hashes END,
    definition = CASE WHEN pending_hash IS NULL THEN NULL ELSE definition END,
    decided_by = $4, decided_at = $5, changed_at = $5
  WHERE ${THIS_ONE}
    AND coalesce(pending_hash, approved_hashes[1]) = coalesce($6, pending_hash, approved_hashes[1])
  RETURNING ${COLUMNS}`;

function columnsOf(sights: readonly PinSight[]): unknown[] {
  return [
    sights.map(({ server }) => server),
    sights.map(({ kind }) => kind),
    sights.map(({ name }) => name),
    sights.map(({ hash }) => hash),
    sights.map(({ definition }) => definition),
    sights.map(({ at }) => new Date(at)),
  ];
}

function decided({ server, kind, name }: PinKey, { by, at, hash }: PinDecision): unknown[] {
  return [server, kind, name, by, new Date(at), hash ?? null];
}

function keyText({ server, kind, name }: PinKey): string {
  return `${server} ${kind} ${name}`;
}

interface Stored {
  server: string;
  kind: PinRow["kind"];
  name: string;
  state: PinRow["state"];
  approved_hashes: string[];
  pending_hash: string | null;
  first_seen: Date;
  changed_at: Date;
  decided_by: string | null;
  decided_at: Date | null;
  definition?: string | null;
  pending_definition?: string | null;
}

function toRow(stored: Stored): PinDetail {
  const { definition, pending_definition: pendingDefinition } = stored;
  return {
    server: stored.server,
    kind: stored.kind,
    name: stored.name,
    state: stored.state,
    approved: stored.approved_hashes,
    ...(stored.pending_hash !== null && { pending: stored.pending_hash }),
    firstSeen: stored.first_seen.getTime(),
    changedAt: stored.changed_at.getTime(),
    ...(stored.decided_by !== null && { decidedBy: stored.decided_by }),
    ...(stored.decided_at !== null && { decidedAt: stored.decided_at.getTime() }),
    ...(typeof definition === "string" && { definition }),
    ...(typeof pendingDefinition === "string" && { pendingDefinition }),
  };
}
