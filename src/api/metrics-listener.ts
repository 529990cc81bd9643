import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { checkHost, hostPolicy } from "../access/index.ts";
import type { HostPolicy } from "../access/index.ts";
import { messageOf, SignalboxError } from "../foundation/index.ts";
import type { ErrorCode, Metrics } from "../foundation/index.ts";

export interface MetricsListenerOptions {
  /** Where to listen; loopback unless a scraper elsewhere needs it. */
  host: string;
  /** 0 takes a free one. */
  port: number;
  metrics: Pick<Metrics, "render" | "contentType">;
  /** Names under which a scraper may ask, beside loopback names and the bound address. */
  allowedHosts?: readonly string[];
}

/** Serves `GET /metrics` for scrapers, without a key and nothing else; fits a Lifecycle. */
export interface MetricsListener {
  readonly name: "metrics listener";
  /** Throws PORT_IN_USE or BIND_REFUSED. */
  start(): Promise<void>;
  stop(): Promise<void>;
  readonly listening: boolean;
  /** Where it listens, once started. */
  readonly url: string;
}

/** A listener of its own for metrics, bounded in connections, header size and time. */
export function createMetricsListener(options: MetricsListenerOptions): MetricsListener {
  const { host, port, metrics, allowedHosts = [] } = options;
  const policy = hostPolicy({ host, allowedHosts });
  const server = createServer(serverBounds, (req, res) => void answer(req, res, metrics, policy));
  server.maxConnections = connectionsMax;
  return {
    name: "metrics listener",
    start: () => listen(server, host, port),
    stop: () => close(server),
    get listening() {
      return server.listening;
    },
    get url() {
      const address = server.address();
      const bound = typeof address === "object" && address !== null ? address.port : port;
      return `http://${host.includes(":") ? `[${host}]` : host}:${bound}/metrics`;
    },
  };
}

async function answer(
  req: IncomingMessage,
  res: ServerResponse,
  metrics: Pick<Metrics, "render" | "contentType">,
  policy: HostPolicy,
): Promise<void> {
  const checked = checkHost(req.headers, policy);
  if (!checked.ok) return refuse(res, 403, checked.code, checked.message);
  if (req.url?.split("?")[0] !== "/metrics")
    return refuse(res, 404, "NOT_FOUND", "Only /metrics is served here.");
  if (req.method !== "GET" && req.method !== "HEAD") {
    res.setHeader("Allow", "GET, HEAD");
    return refuse(res, 405, "METHOD_NOT_ALLOWED", "/metrics takes GET, HEAD.");
  }
  try {
    const text = await metrics.render();
    res.writeHead(200, { ...plainHeaders, "Content-Type": metrics.contentType });
    res.end(req.method === "HEAD" ? undefined : text);
  } catch (error) {
    refuse(res, 500, "INTERNAL", messageOf(error));
  }
}

function refuse(res: ServerResponse, status: number, code: ErrorCode, message: string): void {
  res.writeHead(status, {
    ...plainHeaders,
    "Content-Type": "application/json",
    Connection: "close",
  });
  res.end(JSON.stringify({ code, message }));
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ host, port }, resolve);
  try {
    await promise;
  } catch (error) {
    throw bindFailure(error, host, port);
  } finally {
    server.removeListener("error", reject);
  }
}

function bindFailure(error: unknown, host: string, port: number): SignalboxError {
  const taken = error instanceof Error && Reflect.get(error, "code") === "EADDRINUSE";
  const message = taken
    ? `The metrics port ${port} is taken; choose another with METRICS_PORT.`
    : `The metrics cannot be served at ${host}:${port}: ${messageOf(error)}`;
  return new SignalboxError(taken ? "PORT_IN_USE" : "BIND_REFUSED", message, { cause: error });
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections();
  await promise;
}

const plainHeaders = { "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" };
const connectionsMax = 64;
const serverBounds = {
  maxHeaderSize: 8 * 1024,
  joinDuplicateHeaders: true, // Two Host headers are none.
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 30_000,
  connectionsCheckingInterval: 1_000,
};
