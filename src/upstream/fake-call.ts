// For tests: calls over a server's links without a gateway around them, and modern HTTP servers that take them.
import type { ServerResponse } from "node:http";
import { onTestFinished } from "vitest";
import {
  silentLog,
  systemClock,
  type Clock,
  type Log,
  type SignalboxError,
} from "../foundation/index.ts";
import type { JsonRpcRequest } from "../protocol/index.ts";
import type { Parcel } from "./delivery.ts";
import type { LaneKey } from "./lane-slot.ts";
import type { ExchangeHandle, Lane, OutboundRequest } from "./lane.ts";
import type { Processes } from "./processes/processes.ts";
import type { ReconnectRate } from "./reconnect-rate.ts";
import {
  discovery,
  fakeHttpServer,
  json,
  type FakeHttpServer,
} from "./transports/fake-http-server.ts";
import { UpstreamServer, type UpstreamOptions } from "./upstream-server.ts";

/** What a server does with a call; `call` counts them from 1. */
export type Behaviour = (response: ServerResponse, id: unknown, call: number) => void;

export const well: Behaviour = (response, id) =>
  json(response, { jsonrpc: "2.0", id, result: { ok: true } });
export const resets: Behaviour = (response) => void response.socket?.resetAndDestroy();
export const fails: Behaviour = (response) => void response.writeHead(500).end();

/** A modern server that answers calls as told; it ends with the test. `keepAliveMs`: how long it keeps idle connections. */
export async function modernServer(
  behave: Behaviour,
  options: { keepAliveMs?: number } = {},
): Promise<FakeHttpServer> {
  let calls = 0;
  const peer = await fakeHttpServer((request, response) => {
    if (discovery(request, response)) return;
    calls++;
    behave(response, request.message["id"], calls);
  }, options);
  onTestFinished(() => peer.close());
  return peer;
}

/** A configured server; it ends with the test. `options` are as they come out of the schema. */
export function upstream(
  options: object,
  more: {
    name?: string;
    clock?: Clock;
    log?: Log;
    options?: Partial<UpstreamOptions>;
    processes?: Processes;
    random?: () => number;
    reconnects?: ReconnectRate;
  } = {},
): UpstreamServer {
  const { name = "peer", clock = systemClock, log = silentLog } = more;
  const server = new UpstreamServer(
    { name, options, origin: "config" },
    {
      log,
      clock,
      random: more.random ?? (() => 0.5),
      ...(more.processes && { processes: more.processes }),
      ...(more.reconnects && { reconnects: more.reconnects }),
      options: { clientInfo: { name: "tests", version: "1" }, ...more.options },
    },
  );
  onTestFinished(() => server.close());
  return server;
}

/** How a call ended. */
export interface Outcome {
  readonly body?: string;
  readonly error?: SignalboxError;
}

export interface FakeCall {
  readonly tool?: string;
  readonly arguments?: Record<string, string | number>;
  readonly safe?: boolean;
  readonly timeoutMs?: number;
  readonly principal?: string;
  /** Default: the lane of the principal. */
  readonly key?: LaneKey;
  /** Hears what comes before the answer. */
  readonly heard?: Parcel["message"];
  /** Hears the handle as soon as the call is on its way. */
  readonly sent?: (handle: ExchangeHandle) => void;
}

/** Sends one call and waits for its end. */
export function deliver(server: UpstreamServer, call: FakeCall = {}): Promise<Outcome> {
  const { tool = "put", safe = false, timeoutMs = 5_000, principal = "p" } = call;
  const message: JsonRpcRequest = {
    jsonrpc: "2.0",
    id: 1,
    method: "tools/call",
    params: { name: tool, arguments: call.arguments ?? {} },
  };
  return new Promise((resolve) => {
    const parcel: Parcel = {
      principalId: principal,
      tool,
      method: "tools/call",
      safe,
      requestFor: (_lane: Lane, ms: number): OutboundRequest => ({
        message,
        name: tool,
        timeoutMs: ms,
      }),
      message: (heard) => call.heard?.(heard),
      answer: (body) => resolve({ body: body.toString() }),
      begin: () => undefined,
      chunk: () => true,
      end: () => resolve({}),
      fail: (error) => resolve({ error }),
    };
    const key = call.key ?? { kind: "principal", id: principal };
    const handle = server.deliver(parcel, key, server.clock.monotonicMs() + timeoutMs);
    call.sent?.(handle);
  });
}
