/** The one HTTP listener: the data plane takes its paths, everything else goes to the API. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { SignalboxError, messageOf } from "../foundation/index.ts";
import { answersCors } from "./cors.ts";
import type { Gateway } from "./gateway.ts";
import type { Limits } from "./options.ts";

/** A client that has not sent its headers within this is let go. */
const HEADERS_TIMEOUT_MS = 20_000;
/** A client that has not sent its whole request within this is let go. */
const REQUEST_TIMEOUT_MS = 60_000;
/** How often the two are looked at; Node's own half minute would let both take much longer. */
const CHECK_EVERY_MS = 5_000;
const KEEP_ALIVE_MS = 65_000;
const BACKLOG = 4096;

export interface ListenerOptions {
  readonly gateway: Gateway;
  readonly limits: Limits;
  /** Answers what is not the data plane's. */
  readonly other: (req: IncomingMessage, res: ServerResponse) => void;
}

/** An HTTP server that is not listening yet. */
export function createListener({ gateway, limits, other }: ListenerOptions): Server {
  const server = createServer(
    {
      maxHeaderSize: limits.header_bytes_max,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_EVERY_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // Of two Host or Authorization headers Node would take the first and forget the second, which whoever is in front of
      // us may have checked. Joined they are neither a host nor a key.
      joinDuplicateHeaders: true,
      noDelay: true,
    },
    (req, res) => {
      if (!gateway.admits(req, res)) {
        req.resume();
        return;
      }
      if (answersCors(req, res)) return;
      if (!gateway.handle(req, res)) other(req, res);
    },
  );
  return server;
}

/** Starts listening; throws PORT_IN_USE or BIND_REFUSED with a sentence that says what to do. */
export function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        error.code === "EADDRINUSE"
          ? new SignalboxError(
              "PORT_IN_USE",
              `Port ${port} on ${host} is taken; choose another with PORT.`,
              { cause: error },
            )
          : new SignalboxError(
              "BIND_REFUSED",
              `Cannot listen on ${host}:${port}: ${messageOf(error)}`,
              { cause: error },
            ),
      );
    });
    server.listen({ port, host, backlog: BACKLOG }, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}
