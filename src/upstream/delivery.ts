/**
 * One call on its way to a server: let in by the breakers and the bulkhead, sent over the lane of an endpoint that is
 * chosen for it, and sent again, elsewhere if there is an elsewhere, where that is safe.
 *
 *   start ──▶ refused by a breaker ──▶ failed
 *     └──▶ waiting in the bulkhead ──▶ attempt ──▶ answered, or streamed to its end
 *                                        ▲ └─failed─▶ failed, where it must not be repeated or nothing is left
 *                                        └── pause ◀──┘
 *
 * A call that may have reached the server is repeated only where that does no harm: the tool is read-only or idempotent.
 * Otherwise nobody knows whether it was carried out, and the failure says so (`details.outcome` is "unknown").
 */
import {
  isSignalboxError,
  SignalboxError,
  type Clock,
  type ErrorCode,
} from "../foundation/index.ts";
import type { JsonRpcNotification, JsonRpcRequest } from "../protocol/index.ts";
import type { Breakers } from "./guard/breakers.ts";
import type { Bulkhead, BulkheadWait, BulkheadWaiter } from "./guard/bulkhead.ts";
import { classify, type FailureClass } from "./guard/failure-class.ts";
import type { Retries } from "./guard/retries.ts";
import type { ToolPolicy } from "./guard/retry-policies.ts";
import type { LaneKey } from "./lane-slot.ts";
import type { ExchangeHandle, ExchangeSink, Lane, OutboundRequest } from "./lane.ts";
import { lacksCredentials, PATIENCE_MS, type Link } from "./link.ts";
import { failureOf } from "./transports/http-failure.ts";

/** A call as its delivery needs it, and where its answer goes. */
export interface Parcel extends ExchangeSink {
  readonly principalId: string;
  /** The tool as the server names it; undefined where it is no tool call. */
  readonly tool: string | undefined;
  readonly method: string;
  /** Whether repeating it does no harm. */
  readonly safe: boolean;
  /** The request as this lane takes it, made anew for each attempt at `nowMs` (monotonic); may throw SignalboxError. */
  requestFor(lane: Lane, timeoutMs: number, nowMs: number): OutboundRequest;
}

/** What deliveries need of their server. */
export interface DeliveryHost {
  readonly clock: Clock;
  readonly breakers: Breakers;
  readonly bulkhead: Bulkhead;
  readonly retries: Retries;
  policyOf(tool: string): ToolPolicy;
  /** An endpoint for the call, if possible none of those that failed it; undefined where none can take it. */
  choose(key: LaneKey, avoid: readonly Link[] | undefined): Link | undefined;
  /** Whether an endpoint that is none of these can take a call at once. */
  hasOther(than: readonly Link[]): boolean;
  /** Whether there is more than one endpoint. */
  readonly hasSeveral: boolean;
  /** Whether no endpoint can be reached, and none was until just now. */
  readonly isDown: boolean;
  /** Why no endpoint can take a call. */
  noLink(): SignalboxError;
}

export class Delivery implements ExchangeSink, ExchangeHandle, BulkheadWaiter {
  readonly #host: DeliveryHost;
  readonly #parcel: Parcel;
  readonly #key: LaneKey;
  readonly #deadlineMs: number;
  #link: Link | undefined;
  #failed: Link[] | undefined;
  #handle: ExchangeHandle | undefined;
  #attempts = 0;
  /** An attempt that failed may have been carried out. */
  #mayHaveRun = false;
  #ticket = 0;
  /** Monotonic, of the last attempt; before the first one -1. */
  #sentAtMs = -1;
  /** How far the server said that it is. */
  #progress: number | undefined;
  #phase: "new" | "queued" | "opening" | "sent" | "streaming" | "pausing" | "over" = "new";
  #pause: NodeJS.Timeout | undefined;
  #wait: BulkheadWait | undefined;

  /** `deadlineMs` is of the clock's monotonic time. */
  constructor(host: DeliveryHost, parcel: Parcel, key: LaneKey, deadlineMs: number) {
    this.#host = host;
    this.#parcel = parcel;
    this.#key = key;
    this.#deadlineMs = deadlineMs;
  }

  start(): this {
    const { breakers } = this.#host;
    const refusal = breakers.admit(this.#parcel.tool);
    if (refusal !== undefined) {
      this.#giveUp(refusal, REFUSED_HERE);
      return this;
    }
    this.#ticket = breakers.ticket;
    this.#enter();
    return this;
  }

  // --- the bulkhead

  #enter(): void {
    if (this.#host.bulkhead.tryEnter(this.#parcel.principalId)) {
      this.#attempt();
      return;
    }
    this.#phase = "queued";
    const wait = this.#host.bulkhead.enter(this.#parcel.principalId, this, this.#remainingMs());
    if (isSignalboxError(wait)) this.refused(wait);
    else this.#wait = wait;
  }

  admitted(): void {
    this.#attempt();
  }

  refused(error: SignalboxError): void {
    this.#host.breakers.abandoned(this.#parcel.tool, this.#ticket);
    this.#giveUp(error, REFUSED_HERE);
  }

  // --- the lane

  message(message: JsonRpcNotification | JsonRpcRequest): void {
    if (this.#phase !== "over" && !this.#isBehind(message)) this.#parcel.message(message);
  }

  // A repeat begins from the start, and the caller's progress must not go backwards.
  #isBehind({ method, params }: JsonRpcNotification | JsonRpcRequest): boolean {
    if (method !== "notifications/progress") return false;
    const progress = params?.["progress"];
    if (typeof progress !== "number") return false;
    if (this.#attempts > 1 && progress <= (this.#progress ?? -Infinity)) return true;
    this.#progress = progress;
    return false;
  }

  answer(body: Buffer): void {
    if (this.#phase === "over") return;
    this.#succeeded();
    this.#parcel.answer(body);
  }

  begin(firstBytes: Buffer, length: number | undefined): void {
    if (this.#phase === "over") return;
    this.#phase = "streaming";
    this.#parcel.begin(firstBytes, length);
  }

  chunk(bytes: Buffer): boolean {
    return this.#phase === "over" || this.#parcel.chunk(bytes);
  }

  end(): void {
    if (this.#phase === "over") return;
    this.#succeeded();
    this.#parcel.end();
  }

  fail(error: SignalboxError): void {
    if (this.#phase === "over") return;
    const failure = classify(error);
    const { tool } = this.#parcel;
    this.#tellLink(error, failure);
    const { breakers } = this.#host;
    const link = this.#link;
    if (failure.kind === "network" && link !== undefined && this.#host.hasOther([link]))
      breakers.failedAt(link.id, tool, error.code, this.#ticket);
    else breakers.failed(tool, failure.kind, error.code, this.#ticket);
    this.#attemptFailed(error, failure);
  }

  // --- the caller

  cancel(reason: string): void {
    const { breakers, bulkhead } = this.#host;
    const phase = this.#phase;
    if (phase === "over") return;
    if (phase === "queued") this.#wait?.cancel();
    else if (phase !== "pausing") bulkhead.leave(this.#parcel.principalId);
    if (phase === "sent" || phase === "streaming") this.#link?.health.abandoned();
    breakers.abandoned(this.#parcel.tool, this.#ticket);
    const handle = this.#handle;
    this.#end();
    handle?.cancel(reason);
  }

  resume(): void {
    this.#handle?.resume();
  }

  // ---

  #attempt(): void {
    this.#attempts++;
    this.#toAnEndpoint();
  }

  #toAnEndpoint(): void {
    const link = this.#host.choose(this.#key, this.#failed);
    if (link === undefined) {
      this.#notSent(this.#host.noLink());
      return;
    }
    this.#link = link;
    const lane = link.laneNow(this.#key);
    if (lane !== undefined) this.#send(link, lane);
    else this.#open(link);
  }

  #open(link: Link): void {
    this.#phase = "opening";
    const remainingMs = Math.max(1, Math.ceil(this.#remainingMs()));
    const isOver = (): boolean => {
      const over = this.#phase !== "opening" || this.#link !== link;
      if (!over) clearTimeout(this.#pause);
      return over;
    };
    const opened = (lane: Lane): void => {
      if (!isOver()) this.#send(link, lane);
    };
    link.lane(this.#key, AbortSignal.timeout(remainingMs)).then(opened, (thrown: unknown) => {
      if (isOver()) return;
      this.#notSent(asFailure(thrown, "SERVER_TIMEOUT", link.name, "did not open in time"));
    });
    this.#lookElsewhereLater(link);
  }

  // Whether an endpoint that does not open at once opens at all is not for a call to find out.
  #lookElsewhereLater(link: Link): void {
    if (!this.#host.hasSeveral) return;
    this.#pause = setTimeout(() => {
      const failed = [...(this.#failed ?? []), link];
      if (!this.#host.hasOther(failed)) {
        this.#lookElsewhereLater(link);
        return;
      }
      this.#failed = failed;
      this.#toAnEndpoint();
    }, PATIENCE_MS);
  }

  // Nothing was asked of the server, and the link keeps its own peace: the breakers have nothing to learn from it.
  #notSent(error: SignalboxError): void {
    this.#host.breakers.abandoned(this.#parcel.tool, this.#ticket);
    if (this.#sentAtMs < 0) this.#counted(this.#host.clock.monotonicMs());
    // A server that is down is not waited for by every call; one that was just lost is.
    const { kind } = this.#host.isDown ? REFUSED_HERE : classify(error);
    this.#attemptFailed(error, { ...classify(error), kind, delivered: "no" });
  }

  #send(link: Link, lane: Lane): void {
    this.#phase = "sent";
    const nowMs = this.#host.clock.monotonicMs();
    if (this.#sentAtMs < 0) this.#counted(nowMs);
    this.#sentAtMs = nowMs;
    link.health.started();
    try {
      const timeoutMs = Math.max(1, this.#deadlineMs - nowMs);
      const request = this.#parcel.requestFor(lane, timeoutMs, nowMs);
      if (link.takesTokens) request.subject = this.#parcel.principalId;
      const handle = lane.send(request, this);
      if (!this.#isOver()) this.#handle = handle;
    } catch (thrown) {
      if (this.#isOver()) throw thrown;
      link.health.abandoned();
      this.#notSent(asFailure(thrown, "SERVER_REFUSED", link.name, "could not be called"));
    }
  }

  /** Of the calls that the budget for repeats is a share of this is one. */
  #counted(nowMs: number): void {
    this.#sentAtMs = nowMs;
    this.#host.retries.called(nowMs);
  }

  #succeeded(): void {
    const { breakers, bulkhead, retries, clock } = this.#host;
    const { principalId, tool } = this.#parcel;
    this.#link?.succeeded(clock.monotonicMs() - this.#sentAtMs);
    breakers.succeeded(tool, this.#ticket);
    if (this.#attempts > 1) retries.succeeded(this.#operation, this.#attempts);
    bulkhead.leave(principalId);
    this.#end();
  }

  // What the server says no to tells nothing of the way to it.
  #tellLink(error: SignalboxError, { kind }: FailureClass): void {
    const link = this.#link;
    if (error.code === "CONSENT_NEEDED") link?.consentNeeded(error);
    if (kind === "non_retryable" || kind === "throttled") {
      link?.health.abandoned();
      if (lacksCredentials(error)) link?.unauthorized();
    } else link?.failed(this.#host.clock.monotonicMs() - this.#sentAtMs, error, kind === "network");
  }

  #attemptFailed(error: SignalboxError, failure: FailureClass): void {
    const { breakers, retries, bulkhead } = this.#host;
    const { tool, principalId } = this.#parcel;
    const streamed = this.#phase === "streaming";
    if (failure.delivered === "maybe") this.#mayHaveRun = true;
    this.#handle = undefined;
    bulkhead.leave(principalId);
    if (streamed || breakers.admit(tool) !== undefined) {
      this.#giveUp(error, failure);
      return;
    }
    this.#ticket = breakers.ticket;
    const decision = retries.next({
      tool: this.#operation,
      attempt: this.#attempts,
      failure,
      policy: this.#host.policyOf(this.#operation),
      safe: this.#safe,
      remainingMs: this.#remainingMs(),
    });
    if ("stop" in decision) {
      breakers.abandoned(tool, this.#ticket);
      this.#giveUp(error, failure);
      return;
    }
    if (this.#link !== undefined) (this.#failed ??= []).push(this.#link);
    this.#phase = "pausing";
    // An endpoint that has not failed this call is asked at once: the pause is for those that have.
    const isElsewhere = this.#host.hasOther(this.#failed ?? []);
    this.#pause = setTimeout(() => this.#enter(), isElsewhere ? 0 : decision.delayMs);
  }

  #giveUp(error: SignalboxError, failure: FailureClass): void {
    const outcome =
      failure.delivered === "no" && !this.#mayHaveRun
        ? "not_executed"
        : this.#safe
          ? "failed"
          : "unknown";
    const attempts = this.#attempts;
    this.#end();
    this.#parcel.fail(
      new SignalboxError(error.code, sentenceOf(error, outcome), {
        ...(error.cause === undefined ? {} : { cause: error.cause }),
        details: { ...error.details, outcome, attempts },
      }),
    );
  }

  /** The operator's word first, then the tool's own. */
  get #safe(): boolean {
    return this.#host.policyOf(this.#operation).idempotent ?? this.#parcel.safe;
  }

  get #operation(): string {
    return this.#parcel.tool ?? this.#parcel.method;
  }

  #remainingMs(): number {
    return this.#deadlineMs - this.#host.clock.monotonicMs();
  }

  #isOver(): boolean {
    return this.#phase === "over";
  }

  #end(): void {
    if (this.#key.kind === "principal" && this.#key.once === true)
      this.#link?.releaseOnce(this.#key.id);
    this.#phase = "over";
    this.#handle = undefined;
    if (this.#pause !== undefined) clearTimeout(this.#pause);
  }
}

const REFUSED_HERE: FailureClass = { kind: "non_retryable", delivered: "no" };

function asFailure(
  thrown: unknown,
  code: ErrorCode,
  server: string,
  sentence: string,
): SignalboxError {
  return isSignalboxError(thrown) ? thrown : failureOf(server, code, sentence, { cause: thrown });
}

function sentenceOf(error: SignalboxError, outcome: string): string {
  return outcome === "unknown"
    ? `${error.message} Whether the call was carried out is not known.`
    : error.message;
}
