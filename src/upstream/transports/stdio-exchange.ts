import {
  isJsonObject,
  stringify,
  type JsonRpcRequest,
  type RequestId,
} from "../../protocol/index.ts";
import type { ExchangeHandle, ExchangeSink, OutboundRequest } from "../lane.ts";

/** Where an exchange lives: told when the caller gives it up. */
export interface ExchangeOwner {
  cancel(exchange: Exchange, reason: string): void;
}

/** One request under an id of ours, its deadline, and the way back to whoever sent it. */
export class Exchange implements ExchangeHandle {
  readonly id: number;
  readonly callerId: RequestId;
  readonly method: string;
  readonly sink: ExchangeSink;
  readonly progressToken: unknown;
  /** A `subscriptions/listen`: its answers carry its id a second time, inside. */
  readonly listens: boolean;
  deadlineMs: number;
  readonly #owner: ExchangeOwner;
  readonly #startedMs: number;
  readonly #timeoutMs: number;
  readonly #latestMs: number;

  constructor(
    owner: ExchangeOwner,
    id: number,
    request: OutboundRequest,
    sink: ExchangeSink,
    nowMs: number,
  ) {
    const { message, timeoutMs } = request;
    this.id = id;
    this.callerId = message.id;
    this.method = message.method;
    this.sink = sink;
    this.progressToken = progressTokenOf(message);
    this.listens = message.method === "subscriptions/listen";
    this.deadlineMs = nowMs + timeoutMs;
    this.#owner = owner;
    this.#startedMs = nowMs;
    this.#timeoutMs = timeoutMs;
    this.#latestMs = nowMs + (request.timeoutMaxMs ?? defaultTimeoutMaxMs);
  }

  /** Part of opening a session: never cancelled on the wire. */
  get handshake(): boolean {
    return this.method === "initialize" || this.method === "server/discover";
  }

  /** How long the server was given, ms. */
  get allowedMs(): number {
    return this.deadlineMs - this.#startedMs;
  }

  /** The caller's id as JSON. */
  get callerIdText(): string {
    return typeof this.callerId === "number" ? String(this.callerId) : stringify(this.callerId);
  }

  cancel(reason: string): void {
    this.#owner.cancel(this, reason);
  }

  /** Answers come whole: nothing is ever paused. */
  resume(): void {}

  /** Progress grants the timeout anew, up to the most the request may take. */
  prolong(nowMs: number): void {
    const wanted = Math.min(nowMs + this.#timeoutMs, this.#latestMs);
    if (wanted > this.deadlineMs) this.deadlineMs = wanted;
  }

  /** The request as it goes out: the same but for id and progress token. */
  encode(message: JsonRpcRequest): string {
    const id = this.id;
    if (this.progressToken === undefined) return stringify({ ...message, id });
    const meta = message.params?.["_meta"];
    const params = {
      ...message.params,
      _meta: { ...(isJsonObject(meta) ? meta : {}), progressToken: id },
    };
    return stringify({ ...message, id, params });
  }
}

const defaultTimeoutMaxMs = 600_000;

function progressTokenOf(message: JsonRpcRequest): unknown {
  const meta = message.params?.["_meta"];
  return isJsonObject(meta) ? meta["progressToken"] : undefined;
}
