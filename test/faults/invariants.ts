// What must hold whatever broke. The checker reads three testimonies and believes none of them alone: what the clients
// saw, what the servers did, and what the gateway wrote down.
import type { Ending, Operation } from "./history.ts";
import type { LedgerEntry } from "./ledger.ts";

/**
 * I1 every acknowledged call is in the call log
 * I2 each accepted call has one ending at its client and one row in the call log
 * I3 each answer carries the caller's own id and text
 * I4 a `write` is executed at most once, and exactly once where its client was told that it succeeded
 * I5 after a fault is lifted a new call succeeds within a bound, without anybody's help
 */
export type Invariant = "I1" | "I2" | "I3" | "I4" | "I5";

export interface Violation {
  readonly invariant: Invariant;
  /** The call's id, or the server's name for I5. */
  readonly subject: string;
  readonly sentence: string;
}

/** A row of the gateway's call log, under the id that its caller gave the call. */
export interface LoggedCall {
  readonly id: string;
  readonly outcome: string;
}

/** How a server came back after its fault was lifted. Times are monotonic milliseconds. */
export interface Recovery {
  readonly server: string;
  readonly healedAt: number;
  /** When the first call after that succeeded; undefined when none did. */
  readonly servedAt: number | undefined;
  readonly boundMs: number;
}

export interface Evidence {
  readonly operations: readonly Operation[];
  readonly ledger: readonly LedgerEntry[];
  readonly log: readonly LoggedCall[];
  readonly recoveries: readonly Recovery[];
  /** The gateway was killed: a call whose client was told nothing need not be in the call log. */
  readonly gatewayDied?: boolean;
  /**
   * What ended in between need not be in the call log, since rows are written a moment after their calls and the gateway died
   * in that moment. Monotonic milliseconds; by default everything must.
   */
  readonly unwritten?: Span | undefined;
}

export interface Span {
  readonly from: number;
  readonly until: number;
}

/** Every breach of an invariant that the evidence shows; none when all is well. */
export function violationsOf(evidence: Evidence): Violation[] {
  const logged = countById(evidence.log.map(({ id }) => id));
  const executed = countById(
    evidence.ledger.filter(({ what }) => what === "executed").map(({ id }) => id),
  );
  return [
    ...evidence.operations.flatMap((operation) => [
      ...inLog(operation, logged.get(operation.id) ?? 0, evidence),
      ...oneEnding(operation, logged.get(operation.id) ?? 0, evidence),
      ...ownAnswer(operation),
      ...executedOnce(operation, executed.get(operation.id) ?? 0),
    ]),
    ...evidence.recoveries.flatMap(recovered),
  ];
}

/** Whether what ended then must be in the call log. */
export function isWritten(at: number, unwritten: Span | undefined): boolean {
  return unwritten === undefined || at < unwritten.from || at > unwritten.until;
}

function inLog(operation: Operation, rows: number, { unwritten }: Evidence): Violation[] {
  const acknowledged = operation.endings.some(
    ({ kind, at }) => kind === "ok" && isWritten(at, unwritten),
  );
  if (!acknowledged || rows > 0) return [];
  return [breach("I1", operation, "was acknowledged and is not in the call log")];
}

function oneEnding(operation: Operation, rows: number, evidence: Evidence): Violation[] {
  const found: Violation[] = [];
  const { endings } = operation;
  if (endings.length !== 1)
    found.push(breach("I2", operation, `has ${endings.length} endings at its client`));
  const atMost = endings.every(isRefused) && endings.length > 0 ? 0 : 1;
  if (rows > atMost) found.push(breach("I2", operation, `has ${rows} rows in the call log`));
  if (rows === 0 && atMost === 1 && mustHaveRow(endings, evidence))
    found.push(breach("I2", operation, "was accepted and has no row in the call log"));
  return found;
}

function isRefused(ending: Ending): boolean {
  return ending.kind === "fail" && !ending.accepted;
}

// An acknowledged call without a row is I1's to tell.
function mustHaveRow(
  endings: Operation["endings"],
  { gatewayDied = false, unwritten }: Evidence,
): boolean {
  if (endings.some(({ kind }) => kind === "ok")) return false;
  const told = endings.some(({ kind, at }) => kind === "fail" && isWritten(at, unwritten));
  return told || !gatewayDied;
}

function ownAnswer(operation: Operation): Violation[] {
  const found: Violation[] = [];
  for (const ending of operation.endings) {
    if (ending.kind === "lost") continue;
    if (ending.rpcId !== operation.id)
      found.push(breach("I3", operation, `was answered under the id ${String(ending.rpcId)}`));
    if (ending.kind === "ok" && ending.text !== operation.expectedText) {
      const text = ending.text.slice(0, 80);
      found.push(breach("I3", operation, `was answered with another text: ${text}`));
    }
  }
  return found;
}

function executedOnce(operation: Operation, executions: number): Violation[] {
  const acknowledged = operation.endings.some(({ kind }) => kind === "ok");
  const found: Violation[] = [];
  if (operation.tool === "write" && executions > 1)
    found.push(breach("I4", operation, `was executed ${executions} times`));
  if (acknowledged && executions === 0)
    found.push(breach("I4", operation, "was acknowledged and never executed"));
  return found;
}

function recovered({ server, healedAt, servedAt, boundMs }: Recovery): Violation[] {
  if (servedAt === undefined)
    return [{ invariant: "I5", subject: server, sentence: `${server} did not come back` }];
  const tookMs = Math.round(servedAt - healedAt);
  if (tookMs <= boundMs) return [];
  const sentence = `${server} came back after ${tookMs} ms, more than ${boundMs} ms`;
  return [{ invariant: "I5", subject: server, sentence }];
}

function breach(invariant: Invariant, { id, server, tool }: Operation, what: string): Violation {
  return { invariant, subject: id, sentence: `${server}'s ${tool} ${id} ${what}` };
}

function countById(ids: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}
