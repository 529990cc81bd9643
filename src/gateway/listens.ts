/**
 * Who hears of changes: `subscriptions/listen` streams of modern clients, and the streams of legacy sessions. Changes of one
 * kind that come close together reach a client once.
 */
import type { ServerResponse } from "node:http";
import type { Principal } from "../access/index.ts";
import {
  META,
  isJsonObject,
  stringify,
  type JsonObject,
  type JsonRpcRequest,
  type RequestId,
} from "../protocol/index.ts";
import type { UpstreamServer } from "../upstream/index.ts";
import { startEvents } from "./event-stream.ts";
import { whoGivesWay } from "./greediest.ts";
import type { LegacySession } from "./legacy-session.ts";
import type { Bound, View } from "./view.ts";

export type ChangeKind = "tools" | "prompts" | "resources";

const FILTER: Record<ChangeKind, string> = {
  tools: "toolsListChanged",
  prompts: "promptsListChanged",
  resources: "resourcesListChanged",
};

/** Changes of one kind within this many milliseconds are told once. */
const COALESCE_MS = 20;
const SUBSCRIPTIONS_MAX = 1_000;
const UNREAD_BYTES_MAX = 4 * 1024 * 1024;

interface Listen {
  readonly id: RequestId;
  readonly res: ServerResponse;
  readonly kinds: ReadonlySet<ChangeKind>;
  /** Public URIs. */
  readonly uris: ReadonlySet<string>;
  /** What is honoured, until it has been acknowledged: that is the first message of a listen. */
  unacknowledged: JsonObject | undefined;
  principal: Principal;
  view: View;
}

export class Listens {
  readonly #listens = new Set<Listen>();
  readonly #sessions: () => Iterable<LegacySession>;
  readonly #max: number;
  readonly #watchChanged: () => Promise<void>;
  readonly #pending = new Map<ChangeKind, Set<string> | "everything">();
  #timer: NodeJS.Timeout | undefined;

  /** `watchChanged` hears when other resources are watched than before. */
  constructor(options: {
    sessions: () => Iterable<LegacySession>;
    max: number;
    watchChanged: () => Promise<void>;
  }) {
    this.#sessions = options.sessions;
    this.#watchChanged = options.watchChanged;
    this.#max = options.max;
  }

  /** Whether there is room for one more; where it can be made, whoever has most of them loses its oldest. */
  hasRoomFor(principal: Principal): boolean {
    if (this.#listens.size < this.#max) return true;
    const loser = whoGivesWay([...this.#listens], principal.id);
    const oldest = [...this.#listens].find((listen) => listen.principal.id === loser);
    if (oldest !== undefined) this.#close(oldest);
    return oldest !== undefined;
  }

  /** Opens a listen: acknowledges what is honoured, then tells of it until the client goes. */
  open(message: JsonRpcRequest, principal: Principal, view: View, res: ServerResponse): void {
    const asked = message.params?.["notifications"];
    const { honoured, kinds, uris } = honour(isJsonObject(asked) ? asked : {}, view);
    const listen: Listen = {
      id: message.id,
      principal,
      res,
      kinds,
      uris,
      unacknowledged: honoured,
      view,
    };
    this.#listens.add(listen);
    res.once("close", () => {
      this.#listens.delete(listen);
      if (uris.size > 0) void this.#watchChanged();
    });
    startEvents(res);
    if (uris.size === 0) acknowledge(listen);
    else void this.#watchChanged().then(() => acknowledge(listen));
  }

  /** A server's list changed. */
  listChanged(server: string, kind: ChangeKind): void {
    const known = this.#pending.get(kind);
    if (known === undefined) this.#pending.set(kind, new Set([server]));
    else if (known !== "everything") known.add(server);
    this.#schedule();
  }

  /** What is offered changed as a whole: servers or bundles came or went. */
  everythingChanged(): void {
    for (const kind of ["tools", "prompts", "resources"] as const) {
      this.#pending.set(kind, "everything");
    }
    this.#schedule();
  }

  /** A server's resource changed; sessions with a lane of their own to the server hear it there. */
  resourceUpdated(server: UpstreamServer, uri: string): void {
    for (const listen of this.#listens) {
      if (!listen.view.offersUri(server.name, uri)) continue;
      const shown = listen.view.publicUri(server.name, uri);
      if (listen.uris.has(shown)) tell(listen, "notifications/resources/updated", { uri: shown });
    }
    for (const session of this.#sessions()) {
      if (!session.view.offersUri(server.name, uri)) continue;
      const asked = session.watchedAs(session.view.publicUri(server.name, uri));
      if (asked === undefined) continue;
      session.push({
        jsonrpc: "2.0",
        method: "notifications/resources/updated",
        params: { uri: asked },
      });
    }
  }

  /** The public URIs that are watched, with the view they are public in. */
  *watched(): Generator<{ view: View; uri: string }> {
    for (const listen of this.#listens) {
      for (const uri of listen.uris) yield { view: listen.view, uri };
    }
    for (const session of this.#sessions()) {
      for (const uri of session.watched()) yield { view: session.view, uri };
    }
  }

  keepAlive(): void {
    for (const listen of this.#listens) listen.res.write(":\n\n");
  }

  /** Moves listens to new views and ends those whose principal or bundle is gone. */
  rebind(boundNow: (listen: Bound) => Bound | undefined): void {
    for (const listen of this.#listens) {
      const bound = boundNow(listen);
      if (bound === undefined) this.#close(listen);
      else Object.assign(listen, bound);
    }
  }

  /** Ends every listen with its result, as the protocol asks of a server that stops. */
  close(): void {
    clearTimeout(this.#timer);
    for (const listen of this.#listens) this.#close(listen);
  }

  #close(listen: Listen): void {
    this.#listens.delete(listen);
    const result = { resultType: "complete", _meta: { [META.subscriptionId]: listen.id } };
    listen.res.end(`data: ${stringify({ jsonrpc: "2.0", id: listen.id, result })}\n\n`);
  }

  // Who comes to listen later asks for the lists only then: to them it is no news.
  #schedule(): void {
    if (this.#timer !== undefined) return;
    if (!this.#anyoneListens()) {
      this.#pending.clear();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#flush();
    }, COALESCE_MS);
  }

  #anyoneListens(): boolean {
    if (this.#listens.size > 0) return true;
    for (const session of this.#sessions()) if (session.hasStream) return true;
    return false;
  }

  #flush(): void {
    const pending = [...this.#pending];
    this.#pending.clear();
    for (const [kind, servers] of pending) {
      const concerns = (view: View): boolean =>
        servers === "everything" || [...servers].some((server) => view.has(server));
      const method = `notifications/${kind}/list_changed`;
      for (const listen of this.#listens) {
        if (listen.kinds.has(kind) && concerns(listen.view)) tell(listen, method, {});
      }
      for (const session of this.#sessions()) {
        if (session.hasStream && concerns(session.view)) session.push({ jsonrpc: "2.0", method });
      }
    }
  }
}

// A bare view cannot tell by its form whose a URI is, and it may be listed only later.
function honour(
  asked: JsonObject,
  view: View,
): {
  honoured: JsonObject;
  kinds: Set<ChangeKind>;
  uris: Set<string>;
} {
  const honoured: JsonObject = {};
  const kinds = new Set<ChangeKind>();
  for (const kind of ["tools", "prompts", "resources"] as const) {
    if (asked[FILTER[kind]] !== true) continue;
    kinds.add(kind);
    honoured[FILTER[kind]] = true;
  }
  const uris = new Set<string>();
  if (Array.isArray(asked["resourceSubscriptions"])) {
    for (const uri of asked["resourceSubscriptions"].slice(0, SUBSCRIPTIONS_MAX)) {
      if (typeof uri !== "string") continue;
      if (view.bare || view.ownerOf(uri) !== undefined) uris.add(uri);
    }
    honoured["resourceSubscriptions"] = [...uris];
  }
  return { honoured, kinds, uris };
}

function acknowledge(listen: Listen): void {
  const notifications = listen.unacknowledged;
  if (notifications === undefined) return;
  listen.unacknowledged = undefined;
  write(listen, "notifications/subscriptions/acknowledged", { notifications });
}

function tell(listen: Listen, method: string, params: JsonObject): void {
  acknowledge(listen);
  write(listen, method, params);
}

function write(listen: Listen, method: string, params: JsonObject): void {
  if (listen.res.writableEnded) return;
  if (listen.res.writableLength > UNREAD_BYTES_MAX) {
    listen.res.destroy();
    return;
  }
  const _meta = { [META.subscriptionId]: listen.id };
  const message = { jsonrpc: "2.0", method, params: { ...params, _meta } };
  listen.res.write(`data: ${stringify(message)}\n\n`);
}
