/** The requests that both eras have: lists, calls, reads, prompts and completion. */
import type { Denials } from "../access/index.ts";
import { SignalboxError, messageOf, type Clock, type Log } from "../foundation/index.ts";
import {
  RPC,
  isJsonObject,
  modernStatusOf,
  paramHeaderMismatch,
  stringify,
  type JsonObject,
} from "../protocol/index.ts";
import type { LaneKey, UpstreamServer } from "../upstream/index.ts";
import { cacheKey, type CacheKey } from "./cache/cache-key.ts";
import { isPlainRequest, scopeNow } from "./cache/cache-policy.ts";
import type { ResultCache } from "./cache/result-cache.ts";
import { Call, type CallDeps, type Incoming } from "./call.ts";
import { consentAnswer, takeConsentAnswer, type ConsentPort } from "./consent.ts";
import { limitFailure, replyFailure, unresolved, type Failure } from "./failure.ts";
import { CLIENT_GONE } from "./open-posts.ts";
import type { Limits } from "./options.ts";
import type { ListKind } from "./server-catalog.ts";
import { retryHeaders, type Limit } from "./stages/limit.ts";
import type { Record } from "./stages/record.ts";
import type { Traffic } from "./traffic.ts";
import type { Resolution, Route } from "./view.ts";

const LISTS: ReadonlyMap<string, ListKind> = new Map([
  ["tools/list", "tools"],
  ["prompts/list", "prompts"],
  ["resources/list", "resources"],
  ["resources/templates/list", "templates"],
]);

export class Requests {
  readonly #traffic: Traffic;
  readonly #log: Log;
  readonly #limits: Limits;
  readonly #limit: Limit;
  readonly #record: Record;
  readonly #cache: ResultCache | undefined;
  readonly #denials: Denials;
  readonly #callDeps: CallDeps;
  readonly #consent: ConsentPort | undefined;

  constructor(deps: {
    limits: Limits;
    clock: Clock;
    limit: Limit;
    record: Record;
    log: Log;
    traffic: Traffic;
    denials: Denials;
    cache: ResultCache | undefined;
    consent: ConsentPort | undefined;
  }) {
    this.#consent = deps.consent;
    this.#cache = deps.cache;
    this.#denials = deps.denials;
    this.#traffic = deps.traffic;
    this.#log = deps.log;
    this.#limits = deps.limits;
    this.#limit = deps.limit;
    this.#record = deps.record;
    const { clock, limit, record, cache, consent } = deps;
    this.#callDeps = { end: record, clock, limit, cache, consent };
  }

  /** Answers a request of either era; false where the method is none of these. The call, if any, can be cancelled. */
  handle(incoming: Incoming): boolean {
    if (!this.#admitted(incoming)) return true;
    const { method } = incoming.message;
    if (method === "tools/call") this.#named(incoming, "tools");
    else if (LISTS.has(method)) this.#list(incoming, LISTS.get(method) ?? "tools");
    else if (method === "prompts/get") this.#named(incoming, "prompts");
    else if (method === "resources/read") this.#resource(incoming);
    else if (method === "completion/complete") this.#complete(incoming);
    else return false;
    return true;
  }

  /** Sends a request on to a server under the server's own URI: what a session asks for beside reading. */
  forward(incoming: Incoming, route: Route, params: JsonObject): Call {
    const message = { ...incoming.message, params };
    return this.#call({ ...incoming, message }, route);
  }

  /** The lane on which a caller reaches a server. */
  keyFor(incoming: Incoming, server: UpstreamServer): LaneKey {
    const { session, principal } = incoming;
    const mode = server.processMode(session?.askable === true);
    if (mode === "call") return { kind: "principal", id: `call ${incoming.requestId}`, once: true };
    if (session !== undefined) return session.keyFor(server);
    if (server.local && (mode === undefined || mode === "shared")) return SHARED;
    return { kind: "principal", id: principal.id };
  }

  refuse(incoming: Incoming, failure: Failure): void {
    this.#traffic.refused(failure.data.code);
    const usual = incoming.era === "modern" ? modernStatusOf(failure.rpcCode) : 200;
    const status = failure.status ?? usual;
    replyFailure(incoming.reply, incoming.message.id, failure, incoming.requestId, status);
  }

  /** Refuses a name that leads nowhere. Where it is only hidden from this caller, it is told that no otherwise. */
  refuseUnresolved(
    incoming: Incoming,
    what: "tool" | "prompt" | "resource",
    name: string,
    resolution: Resolution & { ok: false },
  ): void {
    const failure = unresolved(what, name, resolution);
    const { view, principal, requestId } = incoming;
    const hidden =
      what === "resource"
        ? view.hidesUri(name)
        : view.hides(what === "tool" ? "tools" : "prompts", name);
    if (hidden) {
      const target = `${what}:${name.slice(0, TARGET_LENGTH_MAX)}`;
      const { code } = failure.data;
      this.#denials.add({ principal, scope: "call", target, code, requestId });
    }
    if (!this.#askedForConsent(incoming, failure)) this.refuse(incoming, failure);
  }

  // What nobody has connected to yet has no lists, and the way to connect is all there is to answer.
  #askedForConsent(incoming: Incoming, { message, data: { code, server } }: Failure): boolean {
    if (code !== "CONSENT_NEEDED" || typeof server !== "string") return false;
    takeConsentAnswer(incoming.message.params);
    const error = new SignalboxError(code, message, { details: { wish: { server, scopes: [] } } });
    const asked = consentAnswer(incoming, error, this.#consent, true);
    if (asked === undefined) return false;
    this.#traffic.refused(code);
    incoming.reply.answer(asked, 200);
    return true;
  }

  #admitted(incoming: Incoming): boolean {
    const refused = this.#limit.request(incoming);
    const headers = this.#limit.headers(incoming);
    if (headers !== undefined) incoming.reply.addHeaders(headers);
    if (refused === undefined) return true;
    incoming.reply.addHeaders(retryHeaders(refused));
    this.refuse(incoming, limitFailure(refused));
    return false;
  }

  #list(incoming: Incoming, kind: ListKind): void {
    const { view, audience, message, reply } = incoming;
    this.after(incoming, view.page(kind, audience, message.params?.["cursor"]), (page) => {
      if (page === undefined) {
        this.refuse(incoming, invalidParams("the cursor is not one of ours; start without one"));
        return;
      }
      const id = stringify(message.id);
      reply.answer(`{"jsonrpc":"2.0","id":${id},"result":${page.resultText}}`, 200);
    });
  }

  #named(incoming: Incoming, kind: "tools" | "prompts"): void {
    const name = incoming.message.params?.["name"];
    if (typeof name !== "string") {
      this.refuse(incoming, invalidParams('"name" must be a string'));
      return;
    }
    const known = incoming.view.known(kind, name, incoming.audience);
    if (known !== undefined) {
      this.#toNamed(incoming, known);
      return;
    }
    this.after(incoming, incoming.view.resolve(kind, name, incoming.audience), (resolution) => {
      if (resolution.ok) this.#toNamed(incoming, resolution.route);
      else this.refuseUnresolved(incoming, kind === "tools" ? "tool" : "prompt", name, resolution);
    });
  }

  #toNamed(incoming: Incoming, route: Route): void {
    const { params } = incoming.message;
    if (params === undefined) return;
    if (incoming.era === "modern" && route.paramHeaders.length > 0) {
      const problem = paramHeaderMismatch(
        route.paramHeaders,
        params["arguments"],
        incoming.headers,
      );
      if (problem !== undefined) {
        this.refuse(incoming, {
          rpcCode: RPC.headerMismatch,
          message: `Header mismatch: ${problem}.`,
          data: { code: "BODY_INVALID" },
        });
        return;
      }
    }
    params["name"] = route.original;
    this.#call(incoming, route);
  }

  #resource(incoming: Incoming): void {
    const uri = incoming.message.params?.["uri"];
    if (typeof uri !== "string") {
      this.refuse(incoming, invalidParams('"uri" must be a string'));
      return;
    }
    this.after(incoming, incoming.view.resolveUri(uri, incoming.audience), (resolution) => {
      if (!resolution.ok) this.refuseUnresolved(incoming, "resource", uri, resolution);
      else {
        const { params } = incoming.message;
        if (params !== undefined) params["uri"] = resolution.route.original;
        this.#call(incoming, resolution.route);
      }
    });
  }

  #complete(incoming: Incoming): void {
    const ref = incoming.message.params?.["ref"];
    if (!isJsonObject(ref)) {
      this.refuse(incoming, invalidParams('"ref" must be an object'));
      return;
    }
    this.after(incoming, this.#resolveRef(incoming, ref), ([field, resolution]) => {
      const value = String(ref[field]);
      if (!resolution.ok) {
        const what = field === "name" ? "prompt" : "resource";
        this.refuseUnresolved(incoming, what, value, resolution);
      } else {
        // Only what was checked goes on.
        incoming.message.params = {
          ...incoming.message.params,
          ref: { type: ref["type"], [field]: resolution.route.original },
        };
        this.#call(incoming, resolution.route);
      }
    });
  }

  async #resolveRef(incoming: Incoming, ref: JsonObject): Promise<["name" | "uri", Resolution]> {
    const { view, audience } = incoming;
    if (ref["type"] === "ref/prompt" && typeof ref["name"] === "string") {
      return ["name", await view.resolve("prompts", ref["name"], audience)];
    }
    if (typeof ref["uri"] === "string") return ["uri", await view.resolveUri(ref["uri"], audience)];
    return ["name", { ok: false, reason: "unknown" }];
  }

  /** Goes on with what a wait brings; what should never happen is still answered, and logged where it is caught. */
  after<T>(incoming: Incoming, wait: Promise<T>, next: (value: T) => void): void {
    // oxlint-disable-next-line promise/no-callback-in-promise -- it is what comes next
    wait.then(next).catch((error: unknown) => {
      this.refuse(incoming, {
        rpcCode: RPC.internalError,
        message: "The gateway failed on this request.",
        data: { code: "INTERNAL" },
      });
      this.#log.error({ requestId: incoming.requestId, error: messageOf(error) }, "Request failed");
    });
  }

  #call(incoming: Incoming, route: Route): Call {
    const call = new Call(incoming, route, this.#callDeps);
    if (route.server.definition.options.oauth !== undefined)
      call.consented = takeConsentAnswer(incoming.message.params);
    this.#record.started(call);
    if (incoming.session?.ended === true) {
      call.cancel("the session ended");
      return call;
    }
    incoming.session?.track(call);
    if (incoming.open?.gone === true) {
      call.cancel(CLIENT_GONE);
      return call;
    }
    if (incoming.open !== undefined) incoming.open.call = call;
    const times = {
      timeoutMs: Math.min(
        call.askedTimeoutMs ?? route.server.timeoutOf(call.tool) ?? this.#limits.call_timeout,
        this.#limits.call_timeout_max,
      ),
      timeoutMaxMs: this.#limits.call_timeout_max,
    };
    const key = this.keyFor(incoming, route.server);
    const cached = route.cache === undefined ? undefined : this.#cacheKey(incoming, route);
    if (cached === undefined || this.#cache === undefined) call.run(key, times);
    else call.read(cached, key, times);
    return call;
  }

  #cacheKey(incoming: Incoming, route: Route): CacheKey | undefined {
    const { params, method } = incoming.message;
    const scope = route.cache === undefined ? undefined : scopeNow(route.cache);
    if (scope === undefined || params === undefined || !isPlainRequest(params)) return undefined;
    return cacheKey({
      server: route.server.name,
      method,
      name: route.original,
      arguments: params["arguments"],
      principalId: scope === "public" ? undefined : incoming.principal.id,
      form: `${incoming.era}${incoming.view.bare ? " bare" : ""} ${route.server.fingerprint}`,
    });
  }
}

const SHARED: LaneKey = { kind: "shared" };
/** Of a name in the audit trail. */
const TARGET_LENGTH_MAX = 300;

function invalidParams(problem: string): Failure {
  return {
    rpcCode: RPC.invalidParams,
    message: `Invalid params: ${problem}.`,
    data: { code: "BODY_INVALID" },
  };
}
