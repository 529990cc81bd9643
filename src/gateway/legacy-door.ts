/** Requests of 2024-11-05 to 2025-11-25: `initialize`, then everything within a session. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Principal } from "../access/index.ts";
import {
  isSignalboxError,
  messageOf,
  type Clock,
  type ErrorCode,
  type HeldBytes,
  type Log,
} from "../foundation/index.ts";
import {
  RPC,
  errorResponse,
  isJsonObject,
  isNotification,
  isRequest,
  negotiateLegacy,
  revisionOf,
  stringify,
  type JsonObject,
  type JsonRpcNotification,
  type JsonRpcRequest,
  type Message,
  type RequestId,
} from "../protocol/index.ts";
import { ask, type Lane, type SessionKey, type UpstreamServer } from "../upstream/index.ts";
import type { Incoming } from "./call.ts";
import { startEvents, readEventId } from "./event-stream.ts";
import { failureText, limitFailure } from "./failure.ts";
import { initializeResult, type Identity } from "./greeting.ts";
import { LegacySession } from "./legacy-session.ts";
import { LOG_LEVELS } from "./log-levels.ts";
import { takesEvents, traceparentOf, type Post } from "./modern-door.ts";
import type { Limits } from "./options.ts";
import { GatheringReply, PostReply, type Reply, type Room } from "./reply.ts";
import type { Requests } from "./requests.ts";
import type { Sessions } from "./sessions.ts";
import { retryHeaders, type Limit } from "./stages/limit.ts";
import type { Traffic } from "./traffic.ts";
import type { View } from "./view.ts";

const SESSION_HEADER = "mcp-session-id";

export interface LegacyDoorDeps {
  readonly requests: Requests;
  readonly limit: Limit;
  readonly sessions: Sessions;
  readonly identity: Identity;
  readonly limits: Limits;
  readonly held: HeldBytes;
  readonly clock: Clock;
  readonly log: Log;
  readonly traffic: Traffic;
  /** The resources that someone watches changed. */
  readonly watchChanged: () => Promise<void>;
}

/** Where a message's request came from. */
interface Origin {
  readonly principal: Principal;
  readonly requestId: string;
  readonly startedAt: number;
  readonly req: IncomingMessage;
}

export class LegacyDoor {
  readonly #deps: LegacyDoorDeps;

  constructor(deps: LegacyDoorDeps) {
    this.#deps = deps;
  }

  /** Answers a POST; the reply, if any, is what may need keeping alive. */
  post(post: Post, messages: readonly Message[], batch: boolean, bytes: number): Reply | undefined {
    const [first] = messages;
    if (first !== undefined && isRequest(first) && first.method === "initialize") {
      this.#initialize(post, first);
      return undefined;
    }
    const session = this.#session(post);
    if (session === undefined) return undefined;
    if (batch && !session.revision.batches) {
      this.#refuse(post, 400, RPC.invalidRequest, `${session.revision.id} has no batches.`);
      return undefined;
    }
    const requests = messages.filter(isRequest);
    for (const message of messages) if (!isRequest(message)) this.#oneWay(session, message);
    const [only] = requests;
    if (only === undefined) {
      post.res.writeHead(202, { "content-length": 0 }).end();
      return undefined;
    }
    if (!batch) {
      const reply = new PostReply(post.res, takesEvents(post.req), session, only.id);
      this.#request(session, only, reply, post, bytes);
      return reply;
    }
    this.#batch(session, requests, post);
    return undefined;
  }

  /** A GET: the session's own stream, or the rest of one that broke. */
  stream(post: Post): void {
    const { req, res } = post;
    if (!takesEvents(req) || req.headers.accept === undefined) {
      this.#refuse(post, 406, RPC.invalidRequest, "Accept text/event-stream to open the stream.");
      return;
    }
    const session = this.#session(post);
    if (session === undefined) return;
    const last = req.headers["last-event-id"];
    const resume = typeof last === "string" ? readEventId(last) : undefined;
    if (last !== undefined && resume === undefined) {
      this.#refuse(post, 400, RPC.invalidRequest, "Last-Event-ID is not one of this session's.");
      return;
    }
    startEvents(res);
    if (!session.attach(res, resume)) res.end();
    this.#openLanes(session);
  }

  /** A DELETE: the session is over. */
  end(post: Post): void {
    const session = this.#session(post);
    if (session === undefined) return;
    this.#deps.sessions.end(session);
    post.res.writeHead(200, { "content-length": 0 }).end();
  }

  /** A session whose messages travel on one stream (2024-11-05); it is agreed by an `initialize` that follows. */
  message(
    session: LegacySession,
    message: Message,
    origin: Origin,
    write: (json: string) => void,
    room: Room,
  ): void {
    if (!isRequest(message)) {
      this.#oneWay(session, message);
      return;
    }
    const reply = new GatheringReply(write, write, () => {}, {
      room,
      id: message.id,
      held: this.#deps.held,
    });
    if (message.method === "initialize") {
      const result = initializeResult(session.view, this.#deps.identity, session.revision.id);
      reply.answer(stringify({ jsonrpc: "2.0", id: message.id, result }), 200);
      return;
    }
    this.#request(session, message, reply, origin, 0);
  }

  /** What the answers on one stream, or in one batch, may hold while they come: as much as the largest answer. */
  newRoom(): Room {
    return { left: this.#deps.limits.response_bytes_max };
  }

  /** Makes the session that an `initialize` asks for; throws SESSION_LIMIT. */
  create(
    message: JsonRpcRequest,
    principal: Principal,
    view: View,
    revision = negotiateLegacy(message.params?.["protocolVersion"]),
  ): LegacySession {
    const { params } = message;
    const session = new LegacySession({
      id: this.#deps.sessions.newId(),
      principal,
      view,
      revision,
      clientInfo: isJsonObject(params?.["clientInfo"]) ? params["clientInfo"] : {},
      capabilities: isJsonObject(params?.["capabilities"]) ? params["capabilities"] : {},
      replayBytesMax: this.#deps.limits.session_replay_bytes_max,
      now: this.#deps.clock.monotonicMs(),
      listen: (owner, server) => this.#laneKey(owner, server),
    });
    this.#deps.sessions.add(session);
    return session;
  }

  #initialize(post: Post, message: JsonRpcRequest): void {
    const { principal, requestId, req } = post;
    const refused = this.#deps.limit.request({ principal, requestId, socket: req.socket });
    if (refused !== undefined) {
      const body = failureText(message.id, limitFailure(refused), requestId);
      sendJson(post.res, body, refused.status, retryHeaders(refused));
      return;
    }
    let session: LegacySession;
    try {
      session = this.create(message, post.principal, post.view);
    } catch (error) {
      const text = isSignalboxError(error) ? error.message : "The session could not be made.";
      this.#refuse(post, 503, RPC.internalError, text, "SESSION_LIMIT");
      return;
    }
    const result = initializeResult(post.view, this.#deps.identity, session.revision.id);
    const body = stringify({ jsonrpc: "2.0", id: message.id, result });
    post.res.writeHead(200, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      [SESSION_HEADER]: session.id,
    });
    post.res.end(body);
  }

  #session(post: Post): LegacySession | undefined {
    const id = post.req.headers[SESSION_HEADER];
    if (typeof id !== "string" || id === "") {
      const sentence = "Mcp-Session-Id is missing: initialize first.";
      this.#refuse(post, 400, RPC.invalidRequest, sentence, "SESSION_NOT_FOUND");
      return undefined;
    }
    const session = this.#deps.sessions.find(id, post.principal);
    if (session === undefined || session.view.name !== post.view.name) {
      const sentence = "Session not found: initialize again.";
      this.#refuse(post, 404, RPC.sessionNotFound, sentence, "SESSION_NOT_FOUND");
      return undefined;
    }
    const version = post.req.headers["mcp-protocol-version"];
    if (typeof version === "string" && revisionOf(version) === undefined) {
      const sentence = `Unsupported MCP-Protocol-Version: ${version}`;
      this.#refuse(post, 400, RPC.invalidRequest, sentence);
      return undefined;
    }
    return session;
  }

  #refuse(
    post: Post,
    status: number,
    rpcCode: number,
    message: string,
    code: ErrorCode = "BODY_INVALID",
  ): void {
    this.#deps.traffic.refused(code);
    refuse(post.res, status, rpcCode, message);
  }

  #batch(session: LegacySession, requests: readonly JsonRpcRequest[], post: Post): void {
    const answers: { readonly json: string; readonly id: RequestId }[] = [];
    const events = takesEvents(post.req) ? session.openStream() : undefined;
    const room = this.newRoom();
    let streaming = false;
    const openEvents = (): void => {
      if (streaming || events === undefined) return;
      streaming = true;
      startEvents(post.res);
      events.attach(post.res);
      for (const { json, id } of answers) events.answer(json, id);
    };
    const finish = (): void => {
      if (answers.length < requests.length) return;
      if (streaming) events?.finish();
      else sendJson(post.res, `[${answers.map(({ json }) => json).join(",")}]`);
    };
    const answer = (json: string, id: RequestId): void => {
      answers.push({ json, id });
      if (streaming) events?.answer(json, id);
      else room.left -= json.length;
      finish();
    };
    const tell = (json: string): void => {
      openEvents();
      if (streaming) events?.send(json);
    };
    for (const [place, request] of requests.entries()) {
      const answered = (json: string): void => answer(json, request.id);
      const bound = { room, id: request.id, held: this.#deps.held, res: post.res };
      const reply = new GatheringReply(tell, answered, answered, bound);
      const requestId = `${post.requestId}.${place + 1}`;
      this.#request(session, request, reply, { ...post, requestId }, 0);
    }
  }

  #request(
    session: LegacySession,
    message: JsonRpcRequest,
    reply: Reply,
    origin: Origin,
    bytes: number,
  ): void {
    const incoming: Incoming = {
      requestId: origin.requestId,
      era: "legacy",
      principal: session.principal,
      view: session.view,
      audience: session,
      message,
      bytes,
      headers: origin.req.headers,
      socket: origin.req.socket,
      reply,
      session,
      envelope: session.envelope,
      traceparent: traceparentOf(origin.req, message),
      startedAt: origin.startedAt,
    };
    if (!this.#deps.requests.handle(incoming)) this.#ownRequest(session, incoming);
  }

  #ownRequest(session: LegacySession, incoming: Incoming): void {
    const { message, reply } = incoming;
    switch (message.method) {
      case "ping":
        reply.answer(emptyResult(message), 200);
        break;
      case "logging/setLevel":
        this.#setLevel(session, incoming);
        break;
      case "resources/subscribe":
      case "resources/unsubscribe":
        this.#watch(session, incoming, message.method === "resources/subscribe");
        break;
      default:
        this.#deps.requests.refuse(incoming, {
          rpcCode: RPC.methodNotFound,
          message: `Method not found: ${message.method}`,
          data: { code: "NOT_FOUND" },
        });
    }
  }

  #setLevel(session: LegacySession, incoming: Incoming): void {
    const level = incoming.message.params?.["level"];
    if (typeof level !== "string" || !LOG_LEVELS.includes(level)) {
      this.#deps.requests.refuse(incoming, {
        rpcCode: RPC.invalidParams,
        message: `Invalid params: "level" must be one of ${LOG_LEVELS.join(", ")}.`,
        data: { code: "BODY_INVALID" },
      });
      return;
    }
    session.logLevel = level;
    for (const server of session.servers()) {
      const lane = server.laneNow(session.keyFor(server));
      if (lane?.era === "legacy") this.#tellLevel(lane, level);
    }
    incoming.reply.answer(emptyResult(incoming.message), 200);
  }

  #tellLevel(lane: Lane, level: string): void {
    if ("logging" in lane.capabilities) this.#ask(lane, "logging/setLevel", { level });
  }

  #ask(lane: Lane, method: string, params: JsonObject): void {
    const timeoutMs = this.#deps.limits.call_timeout;
    ask(lane, method, params, { timeoutMs }).catch((error: unknown) => {
      this.#deps.log.debug({ error: messageOf(error), method }, "A server did not take a setting");
    });
  }

  #watch(session: LegacySession, incoming: Incoming, on: boolean): void {
    const uri = incoming.message.params?.["uri"];
    if (typeof uri !== "string") {
      this.#deps.requests.refuse(incoming, {
        rpcCode: RPC.invalidParams,
        message: 'Invalid params: "uri" must be a string.',
        data: { code: "BODY_INVALID" },
      });
      return;
    }
    this.#deps.requests.after(incoming, session.view.resolveUri(uri, session), (resolution) => {
      if (!resolution.ok) {
        this.#deps.requests.refuseUnresolved(incoming, "resource", uri, resolution);
        return;
      }
      const { route } = resolution;
      const key = session.keyFor(route.server);
      if (key.kind === "session" && route.server.servesLegacy) {
        if (on) session.noteSubscription(route.server, route.original, uri);
        else session.forgetSubscription(route.server, route.original);
        const params = { ...incoming.message.params, uri: route.original };
        this.#deps.requests.forward(incoming, route, params);
        return;
      }
      const shown = session.view.publicUri(route.server.name, route.original);
      if (on) session.watch(shown, uri);
      else session.unwatch(shown);
      this.#deps.requests.after(incoming, this.#deps.watchChanged(), () => {
        incoming.reply.answer(emptyResult(incoming.message), 200);
      });
    });
  }

  #oneWay(session: LegacySession, message: Message): void {
    if (isNotification(message)) this.#notified(session, message);
    else if (!isRequest(message)) session.answered(message);
  }

  #notified(session: LegacySession, message: JsonRpcNotification): void {
    if (message.method === "notifications/cancelled") {
      const reason = message.params?.["reason"];
      session.cancel(
        message.params?.["requestId"],
        typeof reason === "string" ? reason : "the client cancelled",
      );
    } else if (message.method === "notifications/progress") session.progressed(message);
  }

  // A client that opens its stream wants to hear from its servers: lanes of its own have streams of their own.
  #openLanes(session: LegacySession): void {
    for (const { server } of session.view.catalogs) {
      const key = session.keyFor(server);
      if (key.kind !== "session" || server.local || server.laneNow(key) !== undefined) continue;
      if (server.introduction === undefined || !server.servesLegacy) continue;
      server.lane(key, AbortSignal.timeout(server.connectTimeoutMs)).catch(() => {
        // Told where it matters: in the server's state, and to whoever calls it.
      });
    }
  }

  #restore(session: LegacySession, server: UpstreamServer): void {
    const lane = server.laneNow(session.keyFor(server));
    if (lane !== undefined) this.#restoreOn(lane, session, server);
  }

  // A lane that is new to its server has to be told again what the session asked for on the one before.
  #restoreOn(lane: Lane, session: LegacySession, server: UpstreamServer): void {
    if (lane.era !== "legacy") return;
    if (session.logLevel !== undefined) this.#tellLevel(lane, session.logLevel);
    for (const uri of session.subscriptionsAt(server))
      this.#ask(lane, "resources/subscribe", { uri });
  }

  // What was parsed and yet cannot be written nests too deeply for that, and is left out.
  #hear(server: UpstreamServer, pass: () => void): void {
    try {
      pass();
    } catch (error) {
      const sentence = `A message of server "${server.name}" cannot be passed on`;
      this.#deps.log.warn({ serverId: server.name, error: messageOf(error) }, sentence);
    }
  }

  #laneKey(session: LegacySession, server: UpstreamServer): SessionKey {
    return {
      kind: "session",
      id: session.id,
      principalId: session.principal.id,
      clientInfo: session.clientInfo,
      capabilities: session.capabilities,
      revision: session.revision.id,
      over: () => session.ended,
      opened: (lane) => this.#restoreOn(lane, session, server),
      listener: {
        notification: (message) =>
          this.#hear(server, () => forwardNotification(session, server, message)),
        request: (message) =>
          this.#hear(server, () => {
            const lane = server.laneNow(session.keyFor(server));
            if (lane !== undefined) session.ask(lane, message, undefined);
          }),
        closed: () => {},
        renewed: () => this.#restore(session, server),
      },
    };
  }
}

/** Ends a message that never became a request, with an error of the protocol. */
export function refuse(
  res: ServerResponse,
  status: number,
  code: number,
  message: string,
  data?: JsonObject,
): void {
  sendJson(res, stringify(errorResponse(null, code, message, data)), status);
}

// What a server tells a session outside any call. Changed lists are told once for all, by whoever keeps the lists.
function forwardNotification(
  session: LegacySession,
  server: UpstreamServer,
  message: JsonRpcNotification,
): void {
  const uri = message.params?.["uri"];
  if (message.method === "notifications/message") {
    if (session.wantsLog(message.params?.["level"])) session.push(message);
  } else if (message.method === "notifications/resources/updated" && typeof uri === "string") {
    if (!session.view.offersUri(server.name, uri)) return;
    const shown = session.subscribedAs(server, uri) ?? session.view.publicUri(server.name, uri);
    session.push({ ...message, params: { ...message.params, uri: shown } });
  } else if (message.method === "notifications/cancelled") {
    const withdrawn = session.withdraw(server.laneNow(session.keyFor(server)), message);
    if (withdrawn !== undefined) session.push(withdrawn);
  } else if (!message.method.endsWith("/list_changed")) session.push(message);
}

function emptyResult(message: JsonRpcRequest): string {
  return stringify({ jsonrpc: "2.0", id: message.id, result: {} });
}

function sendJson(
  res: ServerResponse,
  body: string,
  status = 200,
  more: readonly string[] = [],
): void {
  const length = String(Buffer.byteLength(body));
  const headers = ["content-type", "application/json", "content-length", length];
  res.writeHead(status, [...headers, ...more]);
  res.end(body);
}
