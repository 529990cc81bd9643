import { SignalboxError } from "../foundation/index.ts";
import {
  isResponse,
  parseJson,
  readMessage,
  type JsonObject,
  type JsonRpcNotification,
  type JsonRpcRequest,
  type JsonRpcResponse,
} from "../protocol/index.ts";
import type { ExchangeHandle, ExchangeSink, Lane, OutboundRequest } from "./lane.ts";
import { serverWords } from "./server-words.ts";

export interface AskOptions extends Omit<OutboundRequest, "message" | "text"> {
  signal?: AbortSignal;
  /** Hears notifications and requests of the exchange; default: they are dropped. */
  onMessage?: (message: JsonRpcNotification | JsonRpcRequest) => void;
}

/**
 * Sends a request of the gateway's own and waits for the whole response, errors of the protocol included.
 * Rejects with the SignalboxError of the lane, or with the signal's reason after telling the server.
 */
export function ask(
  lane: Pick<Lane, "send">,
  method: string,
  params: JsonObject | undefined,
  options: AskOptions,
): Promise<JsonRpcResponse> {
  const { signal, onMessage, ...outbound } = options;
  const id = `sbx-${++lastId}`;
  const message: JsonRpcRequest = { jsonrpc: "2.0", id, method, ...(params && { params }) };
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(reasonOf(signal));
      return;
    }
    const sink = new AskSink(resolve, reject, onMessage);
    sink.start(lane.send({ message, ...outbound }, sink), signal);
  });
}

/** The result of a response, or a SERVER_REFUSED error that tells what `server` said instead. */
export function resultOf(response: JsonRpcResponse, server: string, method: string): JsonObject {
  if (response.error === undefined && response.result !== undefined) return response.result;
  const { code, message } = response.error ?? { code: 0, message: "no result" };
  throw new SignalboxError(
    "SERVER_REFUSED",
    `Server "${server}" refused ${method}: ${serverWords(message)} (${code}).`,
    { details: { server, rpcCode: code } },
  );
}

let lastId = 0;

class AskSink implements ExchangeSink {
  readonly #resolve: (response: JsonRpcResponse) => void;
  readonly #reject: (error: unknown) => void;
  readonly #onMessage: AskOptions["onMessage"];
  readonly #chunks: Buffer[] = [];
  #signal: AbortSignal | undefined;
  #handle: ExchangeHandle | undefined;
  #settled = false;

  constructor(
    resolve: (response: JsonRpcResponse) => void,
    reject: (error: unknown) => void,
    onMessage: AskOptions["onMessage"],
  ) {
    this.#resolve = resolve;
    this.#reject = reject;
    this.#onMessage = onMessage;
  }

  start(handle: ExchangeHandle, signal: AbortSignal | undefined): void {
    if (this.#settled || signal === undefined) return;
    this.#handle = handle;
    this.#signal = signal;
    signal.addEventListener("abort", this);
  }

  /** The signal fired: EventListener object, so that nothing is bound per call. */
  handleEvent(): void {
    if (this.#settled || this.#signal === undefined) return;
    const reason = reasonOf(this.#signal);
    this.#settle();
    this.#handle?.cancel("the gateway gave up waiting");
    this.#reject(reason);
  }

  message(message: JsonRpcNotification | JsonRpcRequest): void {
    this.#onMessage?.(message);
  }

  answer(body: Buffer): void {
    this.#settle();
    const response = responseIn(body);
    if (response === undefined) this.#reject(new SignalboxError("SERVER_GARBAGE", garbage));
    else this.#resolve(response);
  }

  begin(firstBytes: Buffer): void {
    this.#chunks.push(firstBytes);
  }

  chunk(bytes: Buffer): boolean {
    this.#chunks.push(bytes);
    return true;
  }

  end(): void {
    this.answer(Buffer.concat(this.#chunks));
  }

  fail(error: SignalboxError): void {
    this.#settle();
    this.#reject(error);
  }

  #settle(): void {
    this.#settled = true;
    this.#signal?.removeEventListener("abort", this);
  }
}

const garbage = "The server's answer is not JSON-RPC.";

function responseIn(body: Buffer): JsonRpcResponse | undefined {
  try {
    const read = readMessage(parseJson(body.toString("utf8")));
    return read.ok && isResponse(read.message) ? read.message : undefined;
  } catch {
    return undefined;
  }
}

function reasonOf(signal: AbortSignal): unknown {
  return signal.reason ?? new SignalboxError("SERVER_TIMEOUT", "The wait was given up.");
}
