// For tests: a whole gateway on an ephemeral port, clients of both eras that speak to it in bytes, and small servers.
import { request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import { StringDecoder } from "node:string_decoder";
import { defineService, defineTool, text, type Service, type Tool } from "@signalbox/kit";
import { onTestFinished } from "vitest";
import { z } from "zod";
import {
  Roles,
  hostPolicy,
  type CallerLimits,
  type Grant,
  type KeyRecord,
  type Principal,
} from "../access/index.ts";
import {
  Metrics,
  silentLog,
  systemClock,
  type AuditEvent,
  type AuditSink,
  type Clock,
  type Log,
} from "../foundation/index.ts";
import {
  META,
  MODERN_REVISION,
  SseParser,
  isJsonObject,
  mcpNameOf,
  type JsonObject,
  type SseEvent,
} from "../protocol/index.ts";
import type { ServerDefinition, ServerOptions } from "../upstream/index.ts";
import { cacheOptions } from "./cache/cache-options.ts";
import { ResultCache } from "./cache/result-cache.ts";
import { Gateway } from "./gateway.ts";
import { createListener, listen } from "./listener.ts";
import { bundleOptions, limitOptions, type BundleDefinition } from "./options.ts";
import type { PinGuard } from "./pins.ts";
import type { GatewayConfiguration } from "./snapshot.ts";
import type { AuthenticateOptions } from "./stages/authenticate.ts";
import type { CallRecord } from "./stages/record.ts";

export interface RunningGateway {
  readonly gateway: Gateway;
  readonly url: string;
  readonly calls: CallRecord[];
  /** What the audit trail was told. */
  readonly audited: AuditEvent[];
  readonly metrics: Metrics;
  /** Applies a configuration; what is left out is empty. */
  readonly apply: (configuration: Partial<GatewayConfiguration>) => Promise<void>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a gateway; `limits` are as a user writes them. */
export async function runGateway(
  configuration: Partial<GatewayConfiguration> = {},
  more: {
    limits?: object;
    cache?: object;
    authRequired?: boolean;
    auth?: Partial<AuthenticateOptions>;
    clock?: Clock;
    log?: Log;
    callerLimits?: CallerLimits;
    audit?: AuditSink;
    metrics?: Metrics;
    pins?: PinGuard;
  } = {},
): Promise<RunningGateway> {
  const limits = limitOptions.parse({ list_timeout: 1_000, drain: 500, ...more.limits });
  const calls: CallRecord[] = [];
  const audited: AuditEvent[] = [];
  const { metrics = new Metrics(), callerLimits, audit } = more;
  const { clock = systemClock, log = silentLog } = more;
  const cached = cacheOptions.parse(more.cache ?? {});
  const gateway = new Gateway({
    clock,
    log,
    metrics,
    limits,
    cache: { results: new ResultCache(cached, { clock, metrics, log }), options: cached },
    ...(more.pins && { pins: more.pins }),
    hostPolicy: hostPolicy({ host: "127.0.0.1" }),
    record: (call) => calls.push(call),
    audit: (event) => {
      audited.push(event);
      audit?.(event);
    },
    recordArguments: true,
    ...(callerLimits && { callerLimits }),
    auth: { required: more.authRequired ?? false, ...more.auth },
    version: "0.0.1",
  });
  let version = 0;
  const apply = (next: Partial<GatewayConfiguration>): Promise<void> =>
    gateway.apply({ servers: [], bundles: [], keys: [], version: ++version, ...next });
  await apply(configuration);
  const server = createListener({
    gateway,
    limits,
    other: (_req, res) => {
      res.writeHead(418).end();
    },
  });
  const port = await listen(server, 0, "127.0.0.1");
  const close = async (): Promise<void> => {
    server.close();
    server.closeAllConnections();
    await gateway.close();
  };
  const url = `http://127.0.0.1:${port}`;
  return { gateway, url, calls, audited, metrics, apply, close, [Symbol.asyncDispose]: close };
}

/** The same, for as long as the test takes that calls it. */
export async function start(...options: Parameters<typeof runGateway>): Promise<RunningGateway> {
  const running = await runGateway(...options);
  onTestFinished(() => running.close());
  return running;
}

export function remote(name: string, url: string, options: ServerOptions = {}): ServerDefinition {
  return { name, options: { url, ...options }, origin: "config" };
}

export function builtin(service: Service, name = service.name): ServerDefinition {
  return { name, options: {}, origin: "builtin", service };
}

export function bundle(name: string, options: object = {}): BundleDefinition {
  return { name, options: bundleOptions.parse(options), origin: "config" };
}

/** A service whose tools answer with their own name. */
export function serviceOf(name: string, ...tools: (string | Tool)[]): Service {
  const defined = tools.map((tool) =>
    typeof tool === "string"
      ? defineTool({
          name: tool,
          description: `The tool ${tool}.`,
          input: z.looseObject({}),
          handler: () => text(`${name} ${tool}`),
        })
      : tool,
  );
  return defineService({ name, version: "1.0.0", description: `Service ${name}.`, tools: defined });
}

/** A key's record, and the key itself. */
export function keyRecord(key: string, hash: string, more: Partial<KeyRecord> = {}): KeyRecord {
  const id = `id-${key}`;
  const plain = { role: "caller", project: "default", bundles: "all", prefix: "" } as const;
  return { id, name: key, hash, createdAt: 0, ...plain, ...more };
}

/** A principal of the built-in roles; a caller of everything unless said otherwise. */
export function principalNamed(id: string, more: Partial<Grant> = {}): Principal {
  const plain = { kind: "key", role: "caller", project: "default", bundles: "all" } as const;
  return new Roles().principal({ id, name: id, ...plain, ...more });
}

/** One exchange over HTTP, read as it comes. */
export class Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly events: SseEvent[] = [];
  text = "";
  /** True once the whole answer is here, false while it comes or when it broke. */
  ended = false;
  closed = false;
  readonly #request: ClientRequest;
  readonly #waiting = new Set<() => void>();
  readonly #parser = new SseParser();
  readonly #decoder = new StringDecoder("utf8");

  constructor(request: ClientRequest, response: IncomingMessage) {
    this.#request = request;
    this.status = response.statusCode ?? 0;
    this.headers = response.headers;
    response.on("data", (chunk: Buffer) => {
      this.text += this.#decoder.write(chunk);
      if (this.streams) this.events.push(...this.#parser.push(chunk));
      this.#wake();
    });
    response.on("end", () => {
      this.ended = true;
      this.#wake();
    });
    response.on("close", () => {
      this.closed = true;
      this.#wake();
    });
    response.on("error", () => this.#wake());
  }

  get streams(): boolean {
    return String(this.headers["content-type"]).startsWith("text/event-stream");
  }

  /** The JSON-RPC messages so far. */
  get messages(): JsonObject[] {
    if (!this.streams) return this.text === "" ? [] : [objectOf(this.text)];
    return this.events
      .filter((event) => event.data.startsWith("{"))
      .map((event) => objectOf(event.data));
  }

  /** The JSON-RPC response among the messages; an empty object where there is none. */
  get response(): JsonObject {
    return this.messages.find((message) => !("method" in message) && "jsonrpc" in message) ?? {};
  }

  get result(): JsonObject {
    return isJsonObject(this.response["result"]) ? this.response["result"] : {};
  }

  get error(): JsonObject {
    return isJsonObject(this.response["error"]) ? this.response["error"] : {};
  }

  /** Waits until `holds`, or until nothing more can come. */
  async until(holds: (answer: Answer) => boolean): Promise<this> {
    while (!holds(this) && !this.closed) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
    return this;
  }

  whole(): Promise<this> {
    return this.until(() => this.closed);
  }

  /** The client goes away. */
  leave(): void {
    this.#request.destroy();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

/** Sends a request; the answer's head is there, its body may still come. */
export function sendRequest(
  url: string,
  options: { method?: string; headers?: Record<string, string>; body?: string | Buffer } = {},
  sent?: (request: ClientRequest) => void,
): Promise<Answer> {
  const { method = "POST", headers = {}, body } = options;
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(url, { method, headers, agent: false }, (response) => {
      resolve(new Answer(outgoing, response));
    });
    outgoing.on("error", reject);
    outgoing.end(body);
    sent?.(outgoing);
  });
}

const JSON_HEADERS = {
  accept: "application/json, text/event-stream",
  "content-type": "application/json",
};

/** The `_meta` of a modern request. */
export const modernEnvelope: JsonObject = {
  [META.protocolVersion]: MODERN_REVISION,
  [META.clientInfo]: { name: "tests", version: "1" },
  [META.clientCapabilities]: {},
};

export interface ModernOptions {
  id?: string | number;
  key?: string;
  headers?: Record<string, string>;
  meta?: JsonObject;
  sent?: (request: ClientRequest) => void;
}

/** Sends a modern request and returns as soon as its answer begins. */
export function modern(
  url: string,
  method: string,
  params: JsonObject = {},
  options: ModernOptions = {},
): Promise<Answer> {
  const name = mcpNameOf(method, params);
  const body = {
    jsonrpc: "2.0",
    id: options.id ?? 1,
    method,
    params: { ...params, _meta: { ...modernEnvelope, ...options.meta } },
  };
  const headers = {
    ...JSON_HEADERS,
    "mcp-protocol-version": MODERN_REVISION,
    "mcp-method": method,
    ...(typeof name === "string" ? { "mcp-name": name } : {}),
    ...(options.key === undefined ? {} : { "x-api-key": options.key }),
    ...options.headers,
  };
  return sendRequest(url, { headers, body: JSON.stringify(body) }, options.sent);
}

/** A legacy client's session. */
export class LegacyClient {
  readonly url: string;
  readonly id: string;
  readonly initialized: JsonObject;
  readonly #headers: Record<string, string>;

  private constructor(url: string, answer: Answer, headers: Record<string, string>) {
    this.url = url;
    this.id = String(answer.headers["mcp-session-id"]);
    this.initialized = answer.result;
    this.#headers = { ...JSON_HEADERS, ...headers, "mcp-session-id": this.id };
  }

  static async open(
    url: string,
    options: { revision?: string; capabilities?: JsonObject; key?: string } = {},
  ): Promise<LegacyClient> {
    const { revision = "2025-11-25", capabilities = {}, key } = options;
    const headers: Record<string, string> = key === undefined ? {} : { "x-api-key": key };
    const params = {
      protocolVersion: revision,
      capabilities,
      clientInfo: { name: "old", version: "1" },
    };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params });
    const answer = await sendRequest(url, { headers: { ...JSON_HEADERS, ...headers }, body });
    await answer.whole();
    return new LegacyClient(url, answer, headers);
  }

  /** Posts anything as JSON. */
  post(body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return sendRequest(this.url, {
      headers: { ...this.#headers, ...headers },
      body: JSON.stringify(body),
    });
  }

  request(method: string, params: JsonObject = {}, id: string | number = 1): Promise<Answer> {
    return this.post({ jsonrpc: "2.0", id, method, params });
  }

  async notify(method: string, params: JsonObject = {}): Promise<number> {
    const answer = await this.post({ jsonrpc: "2.0", method, params });
    return (await answer.whole()).status;
  }

  /** Opens the GET stream, or goes on with the one of `lastEventId`. */
  stream(lastEventId?: string): Promise<Answer> {
    const resume: Record<string, string> =
      lastEventId === undefined ? {} : { "last-event-id": lastEventId };
    return sendRequest(this.url, { method: "GET", headers: { ...this.#headers, ...resume } });
  }

  end(): Promise<Answer> {
    return sendRequest(this.url, { method: "DELETE", headers: this.#headers });
  }
}

/** Waits until `holds`; throws with what was waited for when it takes longer than ten seconds. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`not within ten seconds: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** What lies at a place inside a JSON value; undefined where there is nothing. */
export function inside(value: unknown, ...path: (string | number)[]): unknown {
  let found: unknown = value;
  for (const key of path) {
    if (Array.isArray(found)) found = found[Number(key)];
    else found = isJsonObject(found) ? found[String(key)] : undefined;
  }
  return found;
}

/** The members of that name of all elements of a list. */
export function each(list: unknown, member: string): unknown[] {
  return Array.isArray(list) ? list.map((element) => inside(element, member)) : [];
}

function objectOf(json: string): JsonObject {
  const value: unknown = JSON.parse(json);
  return isJsonObject(value) ? value : { batch: value };
}
