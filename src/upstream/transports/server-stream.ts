// The legacy stream of what a server says unasked: a GET that stays open. It is opened in the
// background, because many servers have none (405), and is opened again whenever it breaks.
import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";
import type { HeldBytes } from "../../foundation/index.ts";
import {
  parseJson,
  readMessage,
  SseParser,
  type JsonRpcNotification,
  type JsonRpcRequest,
} from "../../protocol/index.ts";
import type { HttpEndpoint } from "./http-endpoint.ts";

export interface ServerStreamHost {
  readonly endpoint: HttpEndpoint;
  readonly responseBytesMax: number;
  readonly held: HeldBytes | undefined;
  streamHeaders(lastEventId: string | undefined): string[];
  streamMessage(message: JsonRpcNotification | JsonRpcRequest): void;
  /** The session that the stream belonged to is unknown to the server now. */
  streamLostSession(): void;
  ignored(): void;
}

const retryMsMin = 100;
const delayMsMin = 1000;
const delayMsMax = 30_000;

/** A GET stream that is kept open until `stop`. */
export class ServerStream implements Dispatcher.DispatchHandler {
  readonly #host: ServerStreamHost;
  #controller: Dispatcher.DispatchController | undefined;
  #parser: SseParser | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lastEventId: string | undefined;
  #retryMs: number | undefined;
  #failures = 0;
  #wasOpen = false;
  #stopped = false;
  readonly #answered = Promise.withResolvers<void>();
  /** The server has answered the first GET, in whatever way. */
  readonly answered = this.#answered.promise;

  constructor(host: ServerStreamHost) {
    this.#host = host;
  }

  start(): this {
    this.#get();
    return this;
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#parser?.close();
    this.#controller?.abort(given);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#stopped) controller.abort(given);
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    if (this.#stopped || status < 200) return;
    this.#answered.resolve();
    if (status === 200 && headers["content-type"]?.startsWith("text/event-stream")) {
      this.#parser = new SseParser(this.#host.responseBytesMax, this.#host.held);
      this.#wasOpen = true;
      this.#failures = 0;
      return;
    }
    if (status === 404 && this.#wasOpen) {
      this.#stopped = true;
      this.#host.streamLostSession();
    } else if (!mayOpenLater.has(status) && status < 500) this.#stopped = true;
    controller.abort(given);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#stopped || this.#parser === undefined) return;
    try {
      for (const event of this.#parser.push(chunk)) {
        if (event.id !== undefined) this.#lastEventId = event.id;
        if (event.retry !== undefined) this.#retryMs = event.retry;
        if (event.data !== "") this.#take(event.data);
      }
    } catch {
      this.#host.ignored();
      controller.abort(given);
    }
  }

  onResponseEnd(): void {
    this.#again();
  }

  onResponseError(): void {
    this.#again();
  }

  #get(): void {
    this.#parser = undefined;
    this.#controller = undefined;
    const { endpoint } = this.#host;
    const headers = this.#host.streamHeaders(this.#lastEventId);
    endpoint.streams.dispatch({ path: endpoint.path, method: "GET", headers }, this);
  }

  // A stream that was open and ended is opened again after the server's own delay; one that fails waits longer each time.
  #again(): void {
    this.#parser?.close();
    this.#answered.resolve();
    if (this.#stopped) return;
    this.#timer = setTimeout(() => this.#get(), this.#delayMs()).unref();
    this.#failures++;
  }

  #delayMs(): number {
    if (this.#failures === 0 && this.#retryMs !== undefined)
      return Math.min(Math.max(this.#retryMs, retryMsMin), delayMsMax);
    const backOffMs = Math.min(delayMsMin * 2 ** Math.min(this.#failures, 5), delayMsMax);
    return backOffMs * (0.5 + Math.random() / 2);
  }

  #take(text: string): void {
    let value: unknown;
    try {
      value = parseJson(text);
    } catch {
      this.#host.ignored();
      return;
    }
    for (const one of Array.isArray(value) ? value : [value]) {
      const read = readMessage(one);
      if (read.ok && "method" in read.message) this.#host.streamMessage(read.message);
      else this.#host.ignored();
    }
  }
}

/** Refusals that pass: too early, too many requests, or an earlier stream of ours is not gone yet. */
const mayOpenLater = new Set([408, 409, 425, 429]);

const given = new Error("the stream is no longer needed");
