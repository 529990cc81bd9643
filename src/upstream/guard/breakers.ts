// The breakers of one server: one for the server and below it one for each tool that has failed. A call passes both.
// What opens the server's own breaker is what speaks against the server, so that one broken tool does not close the way
// to the others: a failed connection (`network`) always counts; any other failure counts only until its tool has given
// half (rounded up) of the failures that open the breaker, and beyond that it takes failures of another tool. Where a
// single failure opens it, only a failed connection does. A success of any tool begins the server's row anew. A trial
// that fails counts in every case. Throttling and refusals count nowhere: who says so is alive.
import type { Clock, SignalboxError } from "../../foundation/index.ts";
import { failureOf } from "../transports/http-failure.ts";
import {
  Breaker,
  CLOSED,
  HALF_OPEN,
  Tickets,
  type BreakerOptions,
  type BreakerState,
  type BreakerStatus,
} from "./breaker.ts";
import { countsForBreaker, type FailureKind } from "./failure-class.ts";

/** Most tools of one server that have a breaker; the oldest closed one leaves. */
export const toolBreakersMax = 10_000;

/** A breaker changed its state: the server's own, or that of `tool`. */
export interface BreakerChange {
  readonly server: string;
  readonly tool?: string;
  readonly from: BreakerState;
  readonly to: BreakerState;
  readonly reason: string;
}

/** The breakers of one server. Requests that are not calls of a tool pass `undefined` as the tool. */
export class Breakers {
  readonly #server: string;
  readonly #options: BreakerOptions;
  readonly #clock: Clock;
  readonly #changed: (change: BreakerChange) => void;
  readonly #tickets = new Tickets();
  readonly #own: Breaker;
  readonly #tools = new Map<string, ToolEntry>();
  readonly #toolless: RowPart = { row: 0, counted: 0 };
  /** Breakers that are open or half open; while there is none, a call is admitted without a look at any. */
  #notClosed = 0;
  /** Numbers the rows of failures of the server's own breaker. */
  #row = 1;

  constructor(
    server: string,
    options: BreakerOptions,
    deps: { readonly clock: Clock; readonly changed?: (change: BreakerChange) => void },
  ) {
    this.#server = server;
    this.#options = options;
    this.#clock = deps.clock;
    this.#changed = deps.changed ?? (() => undefined);
    this.#own = this.#breaker(undefined);
  }

  /** Of the call admitted last: it keeps the number and hands it in when it ends. */
  get ticket(): number {
    return this.#tickets.last;
  }

  /** The state of the server's own breaker. */
  get state(): BreakerState {
    return this.#own.state;
  }

  /** The state of a tool's breaker; closed where it has none. */
  stateOf(tool: string): BreakerState {
    return this.#tools.get(tool)?.breaker.state ?? CLOSED;
  }

  /** Undefined when the call may pass; it then ends with one of succeeded, failed and abandoned. */
  admit(tool: string | undefined): SignalboxError | undefined {
    if (this.#notClosed === 0) return undefined;
    if (!this.#own.admit()) return this.#refusal(this.#own, undefined);
    const breaker = tool === undefined ? undefined : this.#tools.get(tool)?.breaker;
    if (breaker === undefined || breaker.admit()) return undefined;
    this.#own.abandoned(this.#tickets.last);
    return this.#refusal(breaker, tool);
  }

  /** The server answered, also where it answered with an error of the tool. */
  succeeded(tool: string | undefined, ticket: number): void {
    if (this.#own.state !== CLOSED || this.#own.failures > 0) this.#ownSucceeded(ticket);
    if (this.#tools.size > 0 && tool !== undefined)
      this.#tools.get(tool)?.breaker.succeeded(ticket);
  }

  /** `code` names the failure in the breakers' reasons. */
  failed(tool: string | undefined, kind: FailureKind, code: string, ticket: number): void {
    if (!countsForBreaker(kind)) {
      this.abandoned(tool, ticket);
      return;
    }
    if (!this.#options.enabled && this.#notClosed === 0) return;
    const entry = tool === undefined ? undefined : this.#entry(tool);
    entry?.breaker.failed(code, ticket);
    this.#ownFailed(entry ?? this.#toolless, kind, code, ticket);
  }

  /**
   * The way to one endpoint broke while another one can take the call. That says nothing of the server; but a tool that breaks
   * every endpoint it is sent to is stopped, so it counts for the tool, as long as that endpoint has not given half of its row.
   */
  failedAt(endpoint: string, tool: string | undefined, code: string, ticket: number): void {
    if (!this.#options.enabled && this.#notClosed === 0) return;
    if (this.#notClosed > 0) this.#own.abandoned(ticket);
    const entry = tool === undefined ? undefined : this.#entry(tool);
    if (entry === undefined) return;
    const { breaker, byEndpoint } = entry;
    if (breaker.failures === 0) byEndpoint.clear();
    const counted = byEndpoint.get(endpoint) ?? 0;
    if (breaker.state !== HALF_OPEN && counted >= this.#halfARow) breaker.abandoned(ticket);
    else if (breaker.failed(code, ticket)) byEndpoint.set(endpoint, counted + 1);
  }

  /** The call was cancelled, or refused elsewhere after it was admitted here. */
  abandoned(tool: string | undefined, ticket: number): void {
    if (this.#notClosed === 0) return;
    this.#own.abandoned(ticket);
    if (tool !== undefined) this.#tools.get(tool)?.breaker.abandoned(ticket);
  }

  /** By hand: the server, or one tool, gets no calls for `forMs` milliseconds, or until `close` where that is left out. */
  open(reason: string, which: { readonly tool?: string; readonly forMs?: number } = {}): void {
    const breaker = which.tool === undefined ? this.#own : this.#entry(which.tool)?.breaker;
    breaker?.open(reason, which.forMs);
  }

  /** By hand: the server, or one tool, gets calls again. */
  close(tool?: string): void {
    const breaker = tool === undefined ? this.#own : this.#tools.get(tool)?.breaker;
    breaker?.close();
  }

  /** The server's breaker, and those of its tools that are not simply closed, for the API. */
  explain(): BreakersStatus {
    const tools = [...this.#tools]
      .filter(([, { breaker }]) => breaker.state !== CLOSED || breaker.failures > 0)
      .map(([tool, { breaker }]) => [tool, breaker.explain()] as const);
    return { server: this.#own.explain(), tools: Object.fromEntries(tools) };
  }

  #ownSucceeded(ticket: number): void {
    this.#own.succeeded(ticket);
    if (this.#own.failures === 0) this.#row++;
  }

  #ownFailed(part: RowPart, kind: FailureKind, code: string, ticket: number): void {
    if (kind === "network" || this.#own.state === HALF_OPEN) {
      this.#own.failed(code, ticket);
      return;
    }
    if (part.row !== this.#row) {
      part.row = this.#row;
      part.counted = 0;
    }
    if (part.counted < this.#halfARow && this.#own.failed(code, ticket)) part.counted++;
  }

  /** What one part may give to a row of failures. */
  get #halfARow(): number {
    const { failures } = this.#options;
    return failures === 1 ? 0 : Math.ceil(failures / 2);
  }

  /** The tool's breaker, made where there is none; undefined where there is no place for one. */
  #entry(tool: string): ToolEntry | undefined {
    const known = this.#tools.get(tool);
    if (known !== undefined) return known;
    if (this.#tools.size >= toolBreakersMax && !this.#dropOldestClosed()) return undefined;
    const breaker = this.#breaker(tool);
    const entry = { breaker, row: 0, counted: 0, byEndpoint: new Map<string, number>() };
    this.#tools.set(tool, entry);
    return entry;
  }

  #dropOldestClosed(): boolean {
    for (const [tool, { breaker }] of this.#tools) {
      if (breaker.state === CLOSED) return this.#tools.delete(tool);
    }
    return false;
  }

  #breaker(tool: string | undefined): Breaker {
    return new Breaker(this.#options, {
      clock: this.#clock,
      tickets: this.#tickets,
      changed: (from, to, reason) => {
        if (from === CLOSED) this.#notClosed++;
        if (to === CLOSED) this.#notClosed--;
        if (tool === undefined) this.#row++;
        const which = tool === undefined ? {} : { tool };
        this.#changed({ server: this.#server, ...which, from, to, reason });
      },
    });
  }

  #refusal(breaker: Breaker, tool: string | undefined): SignalboxError {
    const status = breaker.explain();
    const what = tool === undefined ? "" : ` of the tool "${tool}"`;
    const sentence = `gets no calls${what} for now: ${status.reason ?? "its breaker is open"}`;
    return failureOf(this.#server, "BREAKER_OPEN", sentence, {
      details: {
        ...(tool === undefined ? {} : { tool }),
        state: status.state,
        since: status.since,
        ...(status.retryAfterMs === undefined ? {} : { retryAfterMs: status.retryAfterMs }),
      },
    });
  }
}

/** The breakers of one server, for the API. */
export interface BreakersStatus {
  readonly server: BreakerStatus;
  /** By tool; tools whose breaker is closed and counts no failure are left out. */
  readonly tools: Readonly<Record<string, BreakerStatus>>;
}

/** What one tool has given to the server's row of failures. */
interface RowPart {
  row: number;
  counted: number;
}

interface ToolEntry extends RowPart {
  readonly breaker: Breaker;
  /** What each endpoint has given to the tool's row of failures; at most as many as failed in it. */
  readonly byEndpoint: Map<string, number>;
}
