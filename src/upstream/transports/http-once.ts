import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";
import { parseJson, readMessage, SseParser, type JsonRpcResponse } from "../../protocol/index.ts";
import type { HttpEndpoint, Timed } from "./http-endpoint.ts";
import { connectionFailure, failureOf } from "./http-failure.ts";

export interface OnceRequest {
  server: string;
  method: "GET" | "POST" | "DELETE";
  path?: string;
  headers: string[];
  body?: string;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

/** A response read whole: the status, and the JSON-RPC response in its body where there is one. */
export interface OnceReply {
  status: number;
  headers: IncomingHttpHeaders;
  response?: JsonRpcResponse;
}

const bytesMax = 1024 * 1024;

/**
 * One HTTP request off the hot path: reads at most 1 MiB, and of an event stream only up to its first
 * JSON-RPC response. Rejects with a SignalboxError where no response comes.
 */
export function once(endpoint: HttpEndpoint, request: OnceRequest): Promise<OnceReply> {
  return new Promise((resolve, reject) => {
    const { signal } = request;
    if (signal?.aborted) reject(signal.reason);
    else new Once(endpoint, request, resolve, reject).start();
  });
}

class Once implements Dispatcher.DispatchHandler, Timed {
  readonly deadlineMs: number;
  place = -1;
  readonly #endpoint: HttpEndpoint;
  readonly #request: OnceRequest;
  readonly #resolve: (reply: OnceReply) => void;
  readonly #reject: (error: unknown) => void;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #controller: Dispatcher.DispatchController | undefined;
  #reply: OnceReply | undefined;
  #parser: SseParser | undefined;
  #settled = false;

  constructor(
    endpoint: HttpEndpoint,
    request: OnceRequest,
    resolve: (reply: OnceReply) => void,
    reject: (error: unknown) => void,
  ) {
    this.#endpoint = endpoint;
    this.#request = request;
    this.#resolve = resolve;
    this.#reject = reject;
    this.deadlineMs = endpoint.clock.monotonicMs() + request.timeoutMs;
  }

  start(): void {
    const { method, headers, body, path = this.#endpoint.path } = this.#request;
    this.#endpoint.watch(this);
    this.#request.signal?.addEventListener("abort", this);
    this.#endpoint.pool.dispatch({ path, method, headers, body: body ?? null }, this);
  }

  handleEvent(): void {
    this.#fail(this.#request.signal?.reason);
  }

  expire(): void {
    const seconds = Math.round(this.#request.timeoutMs) / 1000;
    this.#fail(
      failureOf(this.#request.server, "SERVER_TIMEOUT", `did not answer within ${seconds} s`),
    );
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#settled) controller.abort(given);
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    if (status < 200) return;
    this.#reply = { status, headers };
    if (headers["content-type"]?.startsWith("text/event-stream"))
      this.#parser = new SseParser(bytesMax);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#settled) return;
    this.#bytes += chunk.length;
    if (this.#bytes > bytesMax) this.#finish();
    else if (this.#parser === undefined) this.#chunks.push(chunk);
    else this.#events(this.#parser, chunk);
  }

  onResponseEnd(): void {
    if (this.#settled) return;
    if (this.#parser === undefined) this.#take(Buffer.concat(this.#chunks).toString("utf8"));
    this.#finish();
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    const taken = this.#controller === undefined ? "connecting" : "sending";
    const phase = this.#reply === undefined ? taken : "answering";
    this.#fail(connectionFailure(this.#request.server, this.#endpoint.origin, error, phase));
  }

  #events(parser: SseParser, chunk: Buffer): void {
    for (const event of parser.push(chunk)) {
      if (event.data !== "") this.#take(event.data);
      if (this.#reply?.response === undefined) continue;
      this.#finish();
      return;
    }
  }

  #take(text: string): void {
    try {
      const read = readMessage(parseJson(text));
      if (this.#reply !== undefined && read.ok && !("method" in read.message))
        this.#reply.response = read.message;
    } catch {
      // Not JSON: the status alone tells.
    }
  }

  #finish(): void {
    const reply = this.#reply;
    if (this.#settled || reply === undefined) return;
    this.#settle();
    this.#resolve(reply);
  }

  #fail(error: unknown): void {
    if (this.#settled) return;
    this.#settle();
    this.#reject(error);
  }

  #settle(): void {
    this.#settled = true;
    this.#endpoint.unwatch(this);
    this.#request.signal?.removeEventListener("abort", this);
    this.#controller?.abort(given);
  }
}

const given = new Error("the response is no longer needed");
