// A TCP proxy on 127.0.0.1 whose network is as bad as a test wants it. Faults are set for a direction while it runs and
// hold for new and running connections alike. Bytes keep their order, and a reader that is slow slows the writer down.
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { systemClock, type Clock } from "../../src/foundation/index.ts";
import { freePort } from "../support/free-port.ts";
import { FaultyFlow, type FlowOwner } from "./faulty-flow.ts";
import { seededRandom } from "./seeded-random.ts";

/** From the client to the target, or from the target to the client. */
export type Direction = "request" | "answer";

/** What is wrong with one direction; a member left out is in order. */
export interface Faults {
  /** Every byte arrives so much later. */
  latencyMs?: number;
  /** Up to so much is added to or taken from the latency, anew for each chunk; never past the byte before. */
  jitterMs?: number;
  bytesPerSecond?: number;
  /** Pieces of at most so many bytes, with a pause after each. */
  slice?: { bytes: number; pauseMs: number };
  /**
   * Nothing passes. What is held passes once that ends, as after a short partition; what is swallowed is lost, and its
   * connection is reset once that ends, as after a long one.
   */
  blackhole?: "hold" | "swallow";
  /** One bit is wrong in every so many bytes on average. */
  corruptEveryBytes?: number;
  cut?: Cut;
}

/** How connections end, once a byte beyond `afterBytes` is to pass; counted from when the fault was set. */
export interface Cut {
  /** `reset` is a RST to both sides, `close` a FIN to both, `half-close` a FIN in this direction only. */
  how: "reset" | "close" | "half-close";
  afterBytes: number;
  /** How many connections it befalls before it lifts itself; by default all. */
  times?: number;
}

export interface FaultProxyOptions {
  /** Of jitter and corruption; default 1. */
  seed?: number;
  clock?: Clock;
  /** Waits; may end early when `signal` aborts, and never rejects. */
  pause?: (ms: number, signal: AbortSignal) => Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly target: Socket;
  readonly flows: Readonly<Record<Direction, FaultyFlow>>;
}

/** Connections at once; further ones are reset. */
const connectionsMax = 2_000;
/** Moments of acceptance that are remembered; the oldest leave. */
const acceptedMax = 10_000;

/** A faulty way to one port of 127.0.0.1. */
export class FaultProxy {
  readonly port: number;
  readonly #targetPort: number;
  readonly #clock: Clock;
  #random: () => number;
  readonly #owners: Readonly<Record<Direction, FlowOwner>>;
  readonly #pairs = new Set<Pair>();
  readonly #acceptedAt: number[] = [];
  #server: Server | undefined;

  private constructor(port: number, targetPort: number, options: FaultProxyOptions) {
    this.port = port;
    this.#targetPort = targetPort;
    this.#clock = options.clock ?? systemClock;
    this.#random = seededRandom(options.seed ?? 1);
    const random = (): number => this.#random();
    const pause = options.pause ?? pauseFor;
    const owner = (): FlowOwner => ({ faults: {}, setting: 0, clock: this.#clock, random, pause });
    this.#owners = { request: owner(), answer: owner() };
  }

  /** Listens in front of `targetPort`; nothing needs to listen there yet. */
  static async start(targetPort: number, options: FaultProxyOptions = {}): Promise<FaultProxy> {
    const proxy = new FaultProxy(await freePort(), targetPort, options);
    await proxy.accept();
    return proxy;
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Monotonic milliseconds at which connections were accepted, the oldest first; at most the last 10,000. */
  get acceptedAt(): readonly number[] {
    return this.#acceptedAt;
  }

  /** Begins jitter and corruption anew, so that a scenario's run has the luck of its own seed. */
  reseed(seed: number): void {
    this.#random = seededRandom(seed);
  }

  /** Replaces the faults of a direction. */
  set(direction: Direction, faults: Faults): void {
    const owner = this.#owners[direction];
    owner.faults = faults;
    owner.setting++;
    for (const pair of this.#pairs) pair.flows[direction].faultsChanged();
  }

  /** Replaces the faults of both directions. */
  setBoth(faults: Faults): void {
    this.set("request", faults);
    this.set("answer", faults);
  }

  /** Lifts every fault and listens again. */
  async heal(): Promise<void> {
    this.setBoth({});
    await this.accept();
  }

  /** Ends the running connections now. */
  cutNow(how: Cut["how"], direction: Direction = "answer"): void {
    for (const pair of this.#pairs) this.#cut(pair, how, direction);
  }

  /** Stops listening, so that new connections are refused; running ones go on. */
  refuse(): void {
    this.#server?.close();
    this.#server = undefined;
  }

  /** Listens again, on the same port. */
  async accept(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) =>
      this.#connect(client),
    );
    this.#server = server;
    server.listen(this.port, "127.0.0.1");
    await once(server, "listening");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = server === undefined ? undefined : once(server, "close");
    server?.close();
    for (const pair of this.#pairs) this.#cut(pair, "reset", "answer");
    await closed;
  }

  #connect(client: Socket): void {
    if (this.#pairs.size >= connectionsMax) {
      client.resetAndDestroy();
      return;
    }
    this.#acceptedAt.push(this.#clock.monotonicMs());
    if (this.#acceptedAt.length > acceptedMax) this.#acceptedAt.shift();
    const target = connect({
      port: this.#targetPort,
      host: "127.0.0.1",
      allowHalfOpen: true,
      noDelay: true,
    });
    const cut = (direction: Direction) => (how: Cut["how"]) => this.#cut(pair, how, direction);
    const flows = {
      request: new FaultyFlow(client, target, this.#owners.request, cut("request")),
      answer: new FaultyFlow(target, client, this.#owners.answer, cut("answer")),
    };
    const pair: Pair = { client, target, flows };
    this.#pairs.add(pair);
    this.#watch(pair, client, target);
    this.#watch(pair, target, client);
  }

  // A side that broke breaks the other; one that ended in order has told the other through its flow.
  #watch(pair: Pair, socket: Socket, other: Socket): void {
    socket.on("error", () => undefined);
    socket.once("close", (broken) => {
      if (broken) this.#cut(pair, "reset", "answer");
      if (other.closed) this.#pairs.delete(pair);
    });
  }

  #cut(pair: Pair, how: Cut["how"], direction: Direction): void {
    const { client, target, flows } = pair;
    if (how === "half-close") {
      flows[direction].end();
      return;
    }
    flows.request.stop();
    flows.answer.stop();
    for (const socket of [client, target]) {
      if (socket.destroyed) continue;
      if (how === "reset") socket.resetAndDestroy();
      else socket.destroySoon();
    }
  }
}

async function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
