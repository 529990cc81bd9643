import type { SignalboxError } from "../foundation/index.ts";
import {
  RPC,
  errorResponse,
  type JsonObject,
  type JsonRpcNotification,
  type JsonRpcRequest,
} from "../protocol/index.ts";
import type { Lane, LaneListener } from "./lane.ts";
import type { Life } from "./processes/crash-loop.ts";
import { localAnswer } from "./local-answers.ts";
import type { ServerDefinition } from "./server-options.ts";

/** Whose lane is wanted. */
export type LaneKey = { kind: "shared" } | PrincipalKey | SessionKey;

/** A principal's own lane, or that of a single call, which is closed when the call ends. */
export interface PrincipalKey {
  kind: "principal";
  id: string;
  once?: true;
}

/** A legacy client's session: it has lanes of its own, opened as the client. */
export interface SessionKey {
  kind: "session";
  id: string;
  /** Whose session it is. */
  principalId?: string;
  clientInfo: JsonObject;
  capabilities: JsonObject;
  revision?: string;
  listener: LaneListener;
  /** Whether the session has ended: nobody would release what is opened for it now. */
  over?: () => boolean;
  /** Hears of the lane once it is open, before it is used. */
  opened?: (lane: Lane) => void;
}

/** What a slot tells its server. */
export interface SlotOwner {
  readonly definition: ServerDefinition;
  slotNotification(slot: LaneSlot, message: JsonRpcNotification): void;
  slotRenewed(slot: LaneSlot): void;
  slotClosed(slot: LaneSlot, error: SignalboxError): void;
}

const requestsHeldMax = 16;

/** The place of one key's lane, and the listener of that lane. */
export class LaneSlot implements LaneListener {
  readonly key: LaneKey;
  lane: Lane | undefined;
  opening: Promise<Lane> | undefined;
  abort: AbortController | undefined;
  openedAtMs = 0;
  usedAtMs = 0;
  /** Nobody wants it any more. */
  released = false;
  /** Opened as a legacy session of a server that is known to be modern: being refused is no failure. */
  tentative = false;
  /** The process behind its lane, where there is one. */
  life: Life | undefined;
  readonly #owner: SlotOwner;
  /** Requests of the server that came before its lane was ready. */
  #held: JsonRpcRequest[] = [];

  constructor(key: LaneKey, owner: SlotOwner) {
    this.key = key;
    this.#owner = owner;
  }

  opened(lane: Lane, nowMs: number): void {
    this.lane = lane;
    this.openedAtMs = nowMs;
    this.usedAtMs = nowMs;
    const held = this.#held;
    this.#held = [];
    for (const request of held) this.request(request);
  }

  notification(message: JsonRpcNotification): void {
    if (this.key.kind === "session") this.key.listener.notification(message);
    else this.#owner.slotNotification(this, message);
  }

  request(request: JsonRpcRequest): void {
    const { lane } = this;
    if (lane === undefined) {
      if (this.#held.length < requestsHeldMax) this.#held.push(request);
      return;
    }
    const answer = localAnswer(request, this.#owner.definition.options);
    if (answer !== undefined) lane.respond(answer);
    else if (this.key.kind === "session") this.key.listener.request(request);
    else lane.respond(errorResponse(request.id, RPC.methodNotFound, "Method not found"));
  }

  renewed(): void {
    if (this.key.kind === "session") this.key.listener.renewed?.();
    else this.#owner.slotRenewed(this);
  }

  closed(error: SignalboxError): void {
    this.lane = undefined;
    if (this.released) return;
    this.#owner.slotClosed(this, error);
    if (this.key.kind === "session") this.key.listener.closed(error);
  }
}
