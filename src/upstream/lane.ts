// A lane is one way to a server: a legacy session, a modern stateless channel, a child process, or a
// service in this process. The gateway above knows lanes only through these types; each transport
// implements them and exports `open`.
import type { Clock, HeldBytes, Log, Metrics, SignalboxError } from "../foundation/index.ts";
import type {
  Era,
  JsonObject,
  JsonRpcNotification,
  JsonRpcRequest,
  JsonRpcResponse,
} from "../protocol/index.ts";
import type { LaneCredentials } from "./credentials.ts";
import type { HttpEndpoint } from "./transports/http-endpoint.ts";

/** One open way to a server, used for many requests at once. */
export interface Lane {
  readonly era: Era;
  /** The protocol revision agreed with the server. */
  readonly revision: string;
  readonly capabilities: JsonObject;
  readonly serverInfo: JsonObject;
  readonly instructions?: string;
  /** Several principals use it: ids and progress tokens are re-minted inside the lane. */
  readonly shared: boolean;
  readonly closed: boolean;
  /** Sends a request; what comes back reaches `sink`, possibly before `send` returns. */
  send(request: OutboundRequest, sink: ExchangeSink): ExchangeHandle;
  notify(message: JsonRpcNotification): void;
  /** Legacy: our answer to a request the server sent, with the id as the server sent it. */
  respond(response: JsonRpcResponse): void;
  close(): Promise<void>;
}

export interface OutboundRequest {
  /** A shared lane writes its own id and progress token into it while it serialises, then puts yours back. */
  message: JsonRpcRequest;
  /** The value of `Mcp-Name`, not yet encoded (modern only). */
  name?: string;
  /** `Mcp-Param-*` headers, encoded (modern only). */
  paramHeaders?: Record<string, string>;
  traceparent?: string;
  timeoutMs: number;
  /** Progress resets the timeout up to this much in total; default 10 minutes. */
  timeoutMaxMs?: number;
  /** An answer larger than this may be streamed, unseen by the caller; default what the lane was opened with. */
  inspectBytesMax?: number;
  /** Whose credentials it carries, where the server takes tokens and the lane is not the caller's own. */
  subject?: string;
  /** Who calls; a service in this process decides by it what may be seen. It never leaves the process. */
  caller?: LaneCaller;
}

export interface LaneCaller {
  principal: { id: string; name: string; role: string; bundles: readonly string[] | "all" };
  requestId: string;
}

/** Hears one exchange, synchronously and in wire order; exactly one of answer, end and fail ends it. */
export interface ExchangeSink {
  /** Belongs to this exchange; progress token and id are already the caller's. */
  message(message: JsonRpcNotification | JsonRpcRequest): void;
  /** The whole JSON-RPC response, checked, its id already the caller's. */
  answer(body: Buffer): void;
  /** A large JSON response starts to stream; `length` is the whole body's, when known. */
  begin(firstBytes: Buffer, length: number | undefined): void;
  /** False asks the lane to pause the server until `ExchangeHandle.resume`. */
  chunk(bytes: Buffer): boolean;
  end(): void;
  fail(error: SignalboxError): void;
}

export interface ExchangeHandle {
  /** Gives the exchange up: the server is told in its era's way and the sink hears nothing more. */
  cancel(reason: string): void;
  resume(): void;
}

/** Hears what belongs to no exchange. */
export interface LaneListener {
  notification(message: JsonRpcNotification): void;
  request(message: JsonRpcRequest): void;
  /** The lane is gone and will not come back; called once, not after `close()`. */
  closed(error: SignalboxError): void;
  /** The server forgot the session and a new one was made: its subscriptions and log level are gone. */
  renewed?(): void;
}

/** Who we say we are when the lane is opened. */
export interface LaneContext {
  clientInfo: JsonObject;
  capabilities: JsonObject;
  /** The newest revision to ask for; default the newest legacy one. */
  revision?: string;
  shared: boolean;
  /** Of a server that takes tokens. */
  credentials?: LaneCredentials;
  signal?: AbortSignal;
}

export interface TransportDeps {
  /** The configured name, for sentences; default "the server". */
  serverName?: string;
  log: Log;
  clock: Clock;
  metrics?: Metrics;
  /** An answer larger than this is refused. */
  responseBytesMax: number;
  /** What answers that are held whole take together, of all servers; default: they have no bound together. */
  held?: HeldBytes | undefined;
  /** An answer up to this size is checked whole before it is passed on; a larger one is streamed. */
  inspectBytesMax: number;
  connectTimeoutMs: number;
  /** The connections of a remote server, kept by its owner for all lanes; default: the lane has its own. */
  endpoint?: HttpEndpoint;
}
