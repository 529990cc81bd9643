/**
 * HTTP with SSE (2024-11-05): `GET /sse` opens the one stream of a session and names where its messages are posted;
 * every answer comes on that stream. Deprecated, and still what some clients speak.
 */
import { isSignalboxError, SignalboxError } from "../foundation/index.ts";
import {
  isRequest,
  readMessage,
  revisionOf,
  sseEvent,
  type JsonRpcRequest,
} from "../protocol/index.ts";
import { dropStalled, startEvents } from "./event-stream.ts";
import { whoGivesWay } from "./greediest.ts";
import { sendError } from "./http-errors.ts";
import type { LegacyDoor } from "./legacy-door.ts";
import type { LegacySession } from "./legacy-session.ts";
import type { Post } from "./modern-door.ts";
import type { Room } from "./reply.ts";
import type { Sessions } from "./sessions.ts";
import type { Limit } from "./stages/limit.ts";
import type { Traffic } from "./traffic.ts";
import type { Bound } from "./view.ts";

const REVISION = revisionOf("2024-11-05");
const STREAMS_MAX = 10_000;
/** Who has not begun a session on its stream by then loses it. */
const INITIALIZE_MS = 30_000;

interface Stream {
  readonly post: Post;
  readonly write: (json: string) => void;
  readonly room: Room;
  session: LegacySession | undefined;
}

export class SingleStreamDoor {
  readonly #legacy: LegacyDoor;
  readonly #limit: Limit;
  readonly #sessions: Sessions;
  readonly #traffic: Traffic;
  readonly #streams = new Map<string, Stream>();

  constructor(deps: { legacy: LegacyDoor; limit: Limit; sessions: Sessions; traffic: Traffic }) {
    this.#legacy = deps.legacy;
    this.#limit = deps.limit;
    this.#traffic = deps.traffic;
    this.#sessions = deps.sessions;
  }

  /** `GET /sse`: opens a stream; its first event says where to post. */
  open(post: Post): void {
    if (!this.#hasRoomFor(post.principal.id)) {
      this.#refuse(post, new SignalboxError("SESSION_LIMIT", "Too many streams are open."));
      return;
    }
    const id = this.#sessions.newId();
    let largest = 0;
    const stream: Stream = {
      post,
      session: undefined,
      room: this.#legacy.newRoom(),
      write: (json) => {
        if (dropStalled(post.res, largest)) return;
        largest = Math.max(largest, json.length);
        post.res.write(sseEvent(json, undefined, "message"));
      },
    };
    this.#streams.set(id, stream);
    post.res.once("close", () => {
      this.#streams.delete(id);
      if (stream.session !== undefined) this.#sessions.end(stream.session);
    });
    startEvents(post.res);
    post.res.write(sseEvent(`/messages?sessionId=${id}`, undefined, "endpoint"));
  }

  /** `POST /messages?sessionId=…`: a message of that stream's client; the answer comes on the stream. */
  post(post: Post, id: string | null, body: unknown): void {
    const stream = id === null ? undefined : this.#streams.get(id);
    if (stream === undefined || stream.post.principal.id !== post.principal.id) {
      this.#refuse(post, new SignalboxError("SESSION_NOT_FOUND", "Open /sse first."));
      return;
    }
    const read = readMessage(body);
    if (!read.ok) {
      const error = new SignalboxError("BODY_INVALID", `Invalid request: ${read.reason}.`);
      this.#refuse(post, error);
      return;
    }
    const { message } = read;
    const { principal, requestId, req } = post;
    const begins = isRequest(message) && message.method === "initialize";
    // Every other request is counted where it is answered.
    const from = { principal, requestId, socket: req.socket };
    const refused = begins ? this.#limit.request(from) : undefined;
    if (refused !== undefined) {
      sendError(post.res, refused, requestId);
      return;
    }
    try {
      if (begins) this.#start(stream, message, post);
    } catch (error) {
      if (!isSignalboxError(error)) throw error;
      this.#refuse(post, error);
      return;
    }
    if (stream.session === undefined) {
      const error = new SignalboxError("BODY_INVALID", "The first message is initialize.");
      this.#refuse(post, error);
      return;
    }
    post.res.writeHead(202, { "content-length": 0 }).end();
    this.#legacy.message(stream.session, message, post, stream.write, stream.room);
  }

  /** Ends the streams on which no session has begun in time; `now` in monotonic milliseconds. */
  sweep(now: number): void {
    for (const { post, session } of this.#streams.values()) {
      if (session === undefined && now - post.startedAt > INITIALIZE_MS) post.res.end();
    }
  }

  /** Ends the streams of those who may not come in any more; the others begin their session under the new view. */
  rebind(boundNow: (before: Bound) => Bound | undefined): void {
    for (const { post } of this.#streams.values()) {
      if (boundNow(post) === undefined) post.res.end();
    }
  }

  keepAlive(): void {
    for (const { post } of this.#streams.values()) {
      if (!post.res.writableEnded) post.res.write(":\n\n");
    }
  }

  #hasRoomFor(principalId: string): boolean {
    if (this.#streams.size < STREAMS_MAX) return true;
    const posts = [...this.#streams.values()].map(({ post }) => post);
    const loser = whoGivesWay(posts, principalId);
    const oldest = posts.find(({ principal }) => principal.id === loser);
    oldest?.res.end();
    return oldest !== undefined;
  }

  #refuse(post: Post, error: SignalboxError): void {
    this.#traffic.refused(error.code);
    sendError(post.res, error, post.requestId);
  }

  #start(stream: Stream, message: JsonRpcRequest, { principal, view }: Post): void {
    const session = this.#legacy.create(message, principal, view, REVISION);
    const previous = stream.session;
    stream.session = session;
    if (previous !== undefined) this.#sessions.end(previous);
    session.attachSingle(stream.write, () => {
      if (stream.session === session) stream.post.res.end();
    });
  }

  close(): void {
    for (const stream of this.#streams.values()) stream.post.res.end();
  }
}
