/**
 * A legacy client's session: what `initialize` agreed, whose it is, and the two ways over which the client hears from us
 * beside its own requests: the GET stream, and (2024-11-05) the one stream everything travels on.
 *
 * To a legacy server the client has lanes of its own, so its abilities, log level and subscriptions are the server's to
 * keep. A server's request is passed on under an id of ours, since several servers may use the same one.
 */
import type { ServerResponse } from "node:http";
import type { Principal } from "../access/index.ts";
import {
  isJsonObject,
  stringify,
  type Envelope,
  type JsonObject,
  type JsonRpcNotification,
  type JsonRpcRequest,
  type JsonRpcResponse,
  type RequestId,
  type Revision,
} from "../protocol/index.ts";
import type { Lane, LaneKey, SessionKey, UpstreamServer } from "../upstream/index.ts";
import { EventStream, ReplayStore } from "./event-stream.ts";
import { reachesLevel } from "./log-levels.ts";
import type { Reply } from "./reply.ts";
import type { Audience, Bound, View } from "./view.ts";

export interface SessionStart {
  readonly id: string;
  readonly principal: Principal;
  readonly view: View;
  readonly revision: Revision;
  readonly clientInfo: JsonObject;
  readonly capabilities: JsonObject;
  readonly replayBytesMax: number;
  readonly now: number;
  /** Hears from a server outside any call; made once per server the session talks to. */
  readonly listen: (session: LegacySession, server: UpstreamServer) => SessionKey;
}

/** A server's request that waits for the client's answer. */
interface Asked {
  readonly lane: Lane;
  readonly id: RequestId;
  readonly progressToken: unknown;
  /** The call beside which it was asked; it ends with that call. */
  readonly reply: Reply | undefined;
}

/** Something in flight that the client may cancel. */
export interface Cancellable {
  /** The request's id, as the client gave it. */
  readonly id: RequestId;
  cancel(reason: string): void;
}

const ASKED_MAX = 1_000;
const STREAMS_MAX = 64;
const WATCHED_MAX = 1_000;

export class LegacySession implements Audience {
  readonly era = "legacy";
  memo?: { readonly epoch: number; readonly key: string };
  readonly id: string;
  /** Both are replaced when the configuration changes, the principal also when its holder comes with a newer token. */
  principal: Principal;
  view: View;
  readonly revision: Revision;
  readonly clientInfo: JsonObject;
  /** What the client can be asked for, less roots: those are offered to a server only by configuration. */
  readonly capabilities: JsonObject;
  lastSeen: number;
  logLevel: string | undefined;
  #fingerprint: string;
  readonly #replay: ReplayStore;
  readonly #standalone: EventStream;
  #streams: Map<string, EventStream> | undefined;
  readonly #listen: SessionStart["listen"];
  #keys: Map<UpstreamServer, SessionKey> | undefined;
  /** Few at a time; an array, because every call enters and leaves it. */
  readonly #inflight: Cancellable[] = [];
  #asked: Map<string, Asked> | undefined;
  /** Public URIs the client has subscribed to, each with the name by which it asked. */
  #watched: Map<string, string> | undefined;
  /** The same of servers' own URIs, where the session has lanes of its own. */
  #subscribed: Map<UpstreamServer, Map<string, string>> | undefined;
  #counter = 0;
  #single: { write: (json: string) => void; close: () => void } | undefined;
  #ended = false;

  constructor(start: SessionStart) {
    this.id = start.id;
    this.principal = start.principal;
    this.view = start.view;
    this.revision = start.revision;
    this.clientInfo = start.clientInfo;
    this.capabilities = askable(start.capabilities);
    this.#fingerprint = Object.keys(this.capabilities).toSorted().join("+");
    this.lastSeen = start.now;
    this.#replay = new ReplayStore(start.replayBytesMax);
    this.#standalone = new EventStream("0", this.#replay);
    this.#listen = start.listen;
  }

  /** Who a modern server is told is calling; what needs a bridge to be answered is not offered. */
  get envelope(): Envelope {
    return {
      clientInfo: this.clientInfo,
      capabilities: {},
      ...(this.logLevel === undefined ? {} : { logLevel: this.logLevel }),
    };
  }

  get hasStream(): boolean {
    return this.#standalone.attached || this.#single !== undefined;
  }

  // A server that serves both eras may list other things to a session than it lists to us, and so may one whose tools
  // depend on what the client can be asked for.
  idFor(server: UpstreamServer): string {
    const key = this.keyFor(server);
    if (key.kind !== "session" || !server.servesLegacy) return "";
    return this.#fingerprint === "" && server.status().era === "legacy"
      ? ""
      : `legacy ${this.#fingerprint}`;
  }

  // A local process is shared unless the client can be asked for something: only then a server must know which client
  // it is talking to.
  /** Whether its client can be asked for something. */
  get askable(): boolean {
    return this.#fingerprint !== "";
  }

  keyFor(server: UpstreamServer): LaneKey {
    if (server.definition.service !== undefined) return SHARED;
    const mode = server.processMode(this.askable);
    if (mode === "shared") return SHARED;
    if (mode === "principal") return { kind: "principal", id: this.principal.id };
    this.#keys ??= new Map();
    let key = this.#keys.get(server);
    if (key === undefined) {
      key = this.#listen(this, server);
      this.#keys.set(server, key);
    }
    return key;
  }

  /** The servers this session has lanes of its own to. */
  servers(): Iterable<UpstreamServer> {
    return this.#keys?.keys() ?? [];
  }

  /** Notes that a server was asked, on this session's lane, to tell of a resource of its own that the client calls `asked`. */
  noteSubscription(server: UpstreamServer, uri: string, asked: string): void {
    this.#subscribed ??= new Map();
    const uris = this.#subscribed.get(server) ?? new Map<string, string>();
    if (uris.size < WATCHED_MAX) uris.set(uri, asked);
    this.#subscribed.set(server, uris);
  }

  forgetSubscription(server: UpstreamServer, uri: string): void {
    this.#subscribed?.get(server)?.delete(uri);
  }

  subscriptionsAt(server: UpstreamServer): Iterable<string> {
    return this.#subscribed?.get(server)?.keys() ?? [];
  }

  /** The name by which the client asked to hear of a server's resource on the session's own lane. */
  subscribedAs(server: UpstreamServer, uri: string): string | undefined {
    return this.#subscribed?.get(server)?.get(uri);
  }

  /** The configuration changed: the session goes on under the new view, with what its principal may do now. */
  rebind({ principal, view }: Bound): void {
    this.principal = principal;
    this.view = view;
    delete this.memo;
    for (const server of this.#keys?.keys() ?? []) {
      if (view.catalogs.some((catalog) => catalog.server === server)) continue;
      this.#keys?.delete(server);
      server.release(this.id);
    }
  }

  /** Wants to hear of a public URI that the client calls `asked`. */
  watch(uri: string, asked: string): void {
    this.#watched ??= new Map();
    if (this.#watched.size < WATCHED_MAX) this.#watched.set(uri, asked);
  }

  unwatch(uri: string): void {
    this.#watched?.delete(uri);
  }

  /** The name by which the client asked to hear of a public URI; undefined where it did not. */
  watchedAs(uri: string): string | undefined {
    return this.#watched?.get(uri);
  }

  get watchesAny(): boolean {
    return this.#watched !== undefined && this.#watched.size > 0;
  }

  watched(): Iterable<string> {
    return this.#watched?.keys() ?? [];
  }

  openStream(): EventStream {
    const stream = new EventStream((++this.#counter).toString(36), this.#replay);
    this.#streams ??= new Map();
    this.#streams.set(stream.id, stream);
    if (this.#streams.size > STREAMS_MAX) {
      const [oldest] = this.#streams.keys();
      if (oldest !== undefined) this.#streams.delete(oldest);
    }
    return stream;
  }

  /** Makes `res` the GET stream, or the continuation of the stream that `resume` names; false where there is none. */
  attach(res: ServerResponse, resume?: { stream: string; sequence: number }): boolean {
    if (resume === undefined) {
      this.#standalone.attach(res);
      if (this.revision.primesStreams) this.#standalone.prime();
      return true;
    }
    const stream = resume.stream === "0" ? this.#standalone : this.#streams?.get(resume.stream);
    stream?.attach(res, resume.sequence);
    return stream !== undefined;
  }

  /** 2024-11-05: everything goes through `write`; `close` ends that stream with the session. */
  attachSingle(write: (json: string) => void, close: () => void): void {
    this.#single = { write, close };
  }

  keepAlive(): void {
    this.#standalone.keepAlive();
    for (const stream of this.#streams?.values() ?? []) stream.keepAlive();
  }

  /** Tells the client something that belongs to no request of its own. */
  push(message: JsonRpcNotification | JsonRpcRequest): void {
    if (this.#ended) return;
    const json = stringify(message);
    if (this.#single === undefined) this.#standalone.send(json);
    else this.#single.write(json);
  }

  /** Whether the client wants log messages of this level; all of them until it has said otherwise. */
  wantsLog(level: unknown): boolean {
    return this.logLevel === undefined || reachesLevel(level, this.logLevel);
  }

  /** Passes a server's request on to the client, beside the call `reply` answers or on the GET stream. */
  ask(lane: Lane, request: JsonRpcRequest, reply: Reply | undefined): void {
    this.#asked ??= new Map();
    if (!this.#canBeAsked(request.method) || this.#asked.size >= ASKED_MAX) {
      const error = { code: -32601, message: `The client cannot be asked for ${request.method}.` };
      lane.respond({ jsonrpc: "2.0", id: request.id, error });
      return;
    }
    const id = `sbx-${++this.#counter}`;
    const message = { ...request, id };
    const meta = request.params?.["_meta"];
    const progressToken = isJsonObject(meta) ? meta["progressToken"] : undefined;
    if (isJsonObject(meta) && progressToken !== undefined) {
      message.params = { ...request.params, _meta: { ...meta, progressToken: id } };
    }
    this.#asked.set(id, { lane, id: request.id, progressToken, reply });
    if (reply?.message(stringify(message)) !== true) this.push(message);
  }

  // A server asks for what it was not offered only by mistake or ill will.
  #canBeAsked(method: string): boolean {
    if (!this.revision.serverRequests.has(method) || method === "roots/list") return false;
    const capability = CAPABILITY_OF.get(method);
    return capability === undefined || capability in this.capabilities;
  }

  /** The client's answer to a server's request goes back under the server's id; unknown ones are ignored. */
  answered(response: JsonRpcResponse): void {
    const asked = this.#asked?.get(String(response.id));
    if (asked === undefined) return;
    this.#asked?.delete(String(response.id));
    asked.lane.respond({ ...response, id: asked.id });
  }

  /** Progress of the client on a server's request goes to that server, under the server's own token. */
  progressed(message: JsonRpcNotification): void {
    const asked = this.#asked?.get(String(message.params?.["progressToken"]));
    if (asked?.progressToken === undefined) return;
    const params = { ...message.params, progressToken: asked.progressToken };
    asked.lane.notify({ ...message, params });
  }

  /** The server gave its request up; the notice for the client, if it was asked. */
  withdraw(
    lane: Lane | undefined,
    notification: JsonRpcNotification,
  ): JsonRpcNotification | undefined {
    for (const [id, asked] of this.#asked ?? []) {
      if (asked.lane !== lane || asked.id !== notification.params?.["requestId"]) continue;
      this.#asked?.delete(id);
      return { ...notification, params: { ...notification.params, requestId: id } };
    }
    return undefined;
  }

  track(call: Cancellable): void {
    this.#inflight.push(call);
  }

  /** A call is over, and with it what its server asked beside it. */
  untrack(call: Cancellable, reply: Reply): void {
    const place = this.#inflight.indexOf(call);
    if (place >= 0) this.#inflight.splice(place, 1);
    if (this.#asked === undefined) return;
    for (const [asked, { reply: beside }] of this.#asked) {
      if (beside === reply) this.#asked.delete(asked);
    }
  }

  cancel(id: unknown, reason: string): void {
    this.#inflight.findLast((call) => call.id === id)?.cancel(reason);
  }

  /** Nothing may be started for it any more. */
  get ended(): boolean {
    return this.#ended;
  }

  get busy(): boolean {
    return this.#inflight.length > 0;
  }

  /** Ends everything the session holds; the caller lets its lanes go. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const call of this.#inflight.splice(0)) call.cancel("the session ended");
    this.#asked?.clear();
    for (const stream of this.#streams?.values() ?? []) stream.finish();
    this.#standalone.finish();
    this.#single?.close();
  }
}

const SHARED: LaneKey = { kind: "shared" };

/** What a client must have offered to be asked. */
const CAPABILITY_OF: ReadonlyMap<string, string> = new Map([
  ["sampling/createMessage", "sampling"],
  ["elicitation/create", "elicitation"],
]);

function askable(capabilities: JsonObject): JsonObject {
  const kept: JsonObject = {};
  for (const name of ["sampling", "elicitation"]) {
    if (isJsonObject(capabilities[name])) kept[name] = capabilities[name];
  }
  return kept;
}
