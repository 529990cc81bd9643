/** Requests of 2026-07-28: stateless, one message per POST, the client's going away is a cancellation. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Principal } from "../access/index.ts";
import { parseTraceparent } from "../foundation/index.ts";
import {
  META,
  MODERN_REVISION,
  RPC,
  isJsonObject,
  revisionOf,
  stringify,
  type JsonRpcRequest,
} from "../protocol/index.ts";
import type { Incoming } from "./call.ts";
import { discoverResult, limitExtensions, type Identity } from "./greeting.ts";
import type { Listens } from "./listens.ts";
import type { OpenPost } from "./open-posts.ts";
import { PostReply } from "./reply.ts";
import type { Requests } from "./requests.ts";
import { MODERN_AUDIENCE, type View } from "./view.ts";

const REVISION = revisionOf(MODERN_REVISION);

/** A request that has just come in. */
export interface Arrival {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly requestId: string;
  readonly open: OpenPost;
}

/** A request of someone who may use the endpoint. */
export interface Post extends Arrival {
  readonly principal: Principal;
  readonly view: View;
  readonly startedAt: number;
}

export class ModernDoor {
  readonly #requests: Requests;
  readonly #listens: Listens;
  readonly #identity: Identity;

  constructor(deps: { requests: Requests; listens: Listens; identity: Identity }) {
    this.#requests = deps.requests;
    this.#listens = deps.listens;
    this.#identity = deps.identity;
  }

  /** Answers one request; the reply, if any, is what may need keeping alive. */
  handle(post: Post, message: JsonRpcRequest, bytes: number): PostReply | undefined {
    const { req, res, principal, view } = post;
    const reply = new PostReply(res, takesEvents(req));
    const envelope = envelopeOf(message);
    if ("extensions" in envelope.capabilities) limitExtensions(envelope.capabilities);
    const incoming: Incoming = {
      requestId: post.requestId,
      era: "modern",
      principal,
      view,
      audience: MODERN_AUDIENCE,
      message,
      bytes,
      headers: req.headers,
      socket: req.socket,
      reply,
      session: undefined,
      envelope,
      traceparent: traceparentOf(req, message),
      startedAt: post.startedAt,
      open: post.open,
    };
    if (this.#requests.handle(incoming)) return reply;
    if (message.method === "server/discover") this.#discover(incoming);
    else if (message.method === "subscriptions/listen") {
      this.#listen(incoming, res);
      return undefined;
    } else {
      const known = REVISION?.requests.has(message.method) === true;
      this.#requests.refuse(incoming, {
        rpcCode: RPC.methodNotFound,
        message: known ? "Method not available" : `Method not found: ${message.method}`,
        data: { code: "NOT_FOUND" },
      });
    }
    return reply;
  }

  #discover(incoming: Incoming): void {
    const { message, reply, view } = incoming;
    const result = discoverResult(view, this.#identity);
    reply.answer(stringify({ jsonrpc: "2.0", id: message.id, result }), 200);
  }

  #listen(incoming: Incoming, res: ServerResponse): void {
    if (!isJsonObject(incoming.message.params?.["notifications"])) {
      this.#requests.refuse(incoming, {
        rpcCode: RPC.invalidParams,
        message: 'Invalid params: "notifications" must be an object.',
        data: { code: "BODY_INVALID" },
      });
      return;
    }
    if (!this.#listens.hasRoomFor(incoming.principal)) {
      this.#requests.refuse(incoming, {
        rpcCode: RPC.internalError,
        message: "The gateway has as many open listens as it allows; try again later.",
        data: { code: "SESSION_LIMIT" },
      });
      return;
    }
    this.#listens.open(incoming.message, incoming.principal, incoming.view, res);
  }
}

/** Whether the client takes an event stream as the answer. */
export function takesEvents(req: IncomingMessage): boolean {
  const accept = req.headers.accept;
  return accept === undefined || accept.includes("text/event-stream") || accept.includes("*/*");
}

/** The trace a request belongs to: what its `_meta` says (SEP-414), else its header. */
export function traceparentOf(req: IncomingMessage, message: JsonRpcRequest): string | undefined {
  const meta = message.params?.["_meta"];
  const inMeta = isJsonObject(meta) ? meta["traceparent"] : undefined;
  const found = typeof inMeta === "string" ? inMeta : req.headers["traceparent"];
  return typeof found === "string" && parseTraceparent(found) !== undefined ? found : undefined;
}

function envelopeOf(message: JsonRpcRequest): Incoming["envelope"] {
  const meta = message.params?.["_meta"];
  const of = isJsonObject(meta) ? meta : {};
  const info = of[META.clientInfo];
  const capabilities = of[META.clientCapabilities];
  const level = of[META.logLevel];
  return {
    clientInfo: isJsonObject(info) ? info : {},
    capabilities: isJsonObject(capabilities) ? capabilities : {},
    ...(typeof level === "string" ? { logLevel: level } : {}),
  };
}
