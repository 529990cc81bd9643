// Gateways that share a database learn of each other's changes by NOTIFY. A connection that listens can be dead
// without knowing, and a pooler may swallow LISTEN, so the version number is also read every few seconds on the same
// connection. After a reconnection everything may have changed, so that counts as a change.
//
//   connecting --connected--> listening --connection lost--> waiting --delay over--> connecting
//   any --stop--> stopped
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { z } from "zod";
import { messageOf } from "../foundation/index.ts";
import type { Log } from "../foundation/index.ts";
import { endClient } from "./database.ts";

const RECONNECT_DELAYS_MS = [50, 250, 1000, 2000, 5000];
const POLL_EVERY_MS = 5000;

/** Tells when another process changed servers, bundles or keys. */
export class ConfigChanges {
  readonly #clientConfig: () => pg.ClientConfig;
  readonly #ownName: string;
  readonly #log: Log;
  readonly #listeners = new Set<() => void>();
  readonly #stopping = new AbortController();
  #client: pg.Client | undefined;
  #seenVersion = 0;
  #telling = false;
  #running: Promise<void> = Promise.resolve();

  /** `ownName` is the application name of this process's connections, whose changes are not told. */
  constructor(options: { clientConfig: () => pg.ClientConfig; ownName: string; log: Log }) {
    this.#clientConfig = options.clientConfig;
    this.#ownName = options.ownName;
    this.#log = options.log;
  }

  /** Calls `fn` after changes, several at once together; returns the way to end that. */
  onChange(fn: () => void): () => void {
    this.#listeners.add(fn);
    return () => {
      this.#listeners.delete(fn);
    };
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    const client = await this.#connect();
    this.#running = this.#keepListening(client);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    if (this.#client !== undefined) await endClient(this.#client);
    await this.#running;
  }

  async #keepListening(first: pg.Client): Promise<void> {
    const { signal } = this.#stopping;
    let client: pg.Client | undefined = first;
    for (let failures = 0; !signal.aborted;) {
      if (client !== undefined) {
        failures = 0;
        await this.#pollUntilLost(client);
        if (signal.aborted) return;
        this.#log.warn({}, "lost the connection that listens for changes; connecting again");
      }
      await pause(RECONNECT_DELAYS_MS[failures] ?? 5000, signal);
      client = await this.#tryToReconnect();
      failures += 1;
    }
    if (client !== undefined) await endClient(client);
  }

  async #tryToReconnect(): Promise<pg.Client | undefined> {
    if (this.#stopping.signal.aborted) return undefined;
    try {
      const client = await this.#connect();
      this.#tell();
      return client;
    } catch (error) {
      this.#log.debug({ error: messageOf(error) }, "cannot listen for changes yet");
      return undefined;
    }
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client(this.#clientConfig());
    client.on("error", () => undefined); // "end" follows.
    client.on("notification", ({ payload }) => {
      this.#hear(payload ?? "");
    });
    this.#client = client;
    try {
      await client.connect();
      await client.query("LISTEN signalbox_config");
      this.#seenVersion = await readVersion(client);
      return client;
    } catch (error) {
      await endClient(client);
      throw error;
    }
  }

  /** Resolves when the connection is of no more use. */
  async #pollUntilLost(client: pg.Client): Promise<void> {
    const lost = new AbortController();
    client.once("end", () => {
      lost.abort();
    });
    const signal = AbortSignal.any([lost.signal, this.#stopping.signal]);
    while (!signal.aborted) {
      await pause(POLL_EVERY_MS, signal);
      if (signal.aborted) return;
      try {
        const version = await readVersion(client);
        if (version > this.#seenVersion) this.#tell();
        this.#seenVersion = Math.max(version, this.#seenVersion);
      } catch {
        await endClient(client);
        return;
      }
    }
  }

  #hear(payload: string): void {
    const change = parsePayload(payload);
    if (change !== undefined) this.#seenVersion = Math.max(this.#seenVersion, change.version);
    if (change?.by !== this.#ownName) this.#tell();
  }

  #tell(): void {
    if (this.#telling) return;
    this.#telling = true;
    setImmediate(() => {
      this.#telling = false;
      if (this.#stopping.signal.aborted) return;
      for (const listener of this.#listeners) this.#call(listener);
    });
  }

  #call(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#log.error({ error: messageOf(error) }, "a listener for changes failed");
    }
  }
}

const payloadSchema = z.object({ version: z.number(), by: z.string() });

function parsePayload(payload: string): z.infer<typeof payloadSchema> | undefined {
  try {
    return payloadSchema.parse(JSON.parse(payload));
  } catch {
    return undefined; // Sent by hand, to make gateways look.
  }
}

async function readVersion(client: pg.Client): Promise<number> {
  const { rows } = await client.query("SELECT version FROM signalbox.config_version");
  return Number(rows[0]?.version ?? 0);
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);
}
