/** Metrics of the servers themselves: connections made and lost, how long they lasted, how many are open. */
import type { Clock, Metrics } from "../foundation/index.ts";
import { isFailing, type ServerState, type UpstreamServer } from "../upstream/index.ts";

/** A connection that lasts days is as good as one that lasts a day. */
const SPELL_BUCKETS = [1, 10, 60, 600, 3_600, 21_600, 86_400];

/** Servers that are read before other work gets its turn. */
const SERVERS_AT_ONCE = 100;

export class ServerMeters {
  readonly #clock: Clock;
  readonly #servers: () => readonly UpstreamServer[];
  /** What the last scrape showed: the transport of each server by its name. */
  #shown = new Map<string, string>();
  readonly #connections;
  readonly #seconds;
  readonly #open;
  readonly #up;
  readonly #online;
  readonly #configured;

  constructor(metrics: Metrics, clock: Clock, servers: () => readonly UpstreamServer[]) {
    this.#clock = clock;
    this.#servers = servers;
    this.#connections = metrics.counter(
      "mcp_connections_total",
      "Connections to servers by how they went: connected or error.",
      ["server_id", "status"],
    );
    this.#seconds = metrics.histogram(
      "mcp_connection_duration_seconds",
      "How long connections to servers lasted.",
      ["server_id"],
      SPELL_BUCKETS,
    );
    this.#open = metrics.gauge(
      "mcp_connection_pool_size",
      "Open connections: to servers (pool upstream) and to the database (pool database).",
      ["server_id", "pool"],
    );
    this.#up = metrics.gauge("mcp_upstream_up", "1 while a server is connected.", [
      "server_id",
      "transport",
    ]);
    this.#online = metrics
      .gauge("mcp_orch_mcp_servers_online", "Servers that are connected.")
      .slot();
    this.#configured = metrics
      .gauge("mcp_orch_mcp_servers_configured", "Servers that are configured and enabled.")
      .slot();
    metrics.collect(() => this.#gather());
  }

  /** Follows a server's state from now on, for as long as it is configured. */
  watch(server: UpstreamServer): void {
    let connectedAt: number | undefined;
    let before: "connected" | "error" | undefined;
    server.events.on("stateChanged", ({ state }) => {
      // A server that was removed closes a while later; its series are gone and stay so.
      if (!this.#servers().some(({ name }) => name === server.name)) return;
      const now = this.#clock.monotonicMs();
      const status = isUp(state) ? "connected" : isFailing(state) ? "error" : undefined;
      if (status !== undefined && status !== before)
        this.#connections.slot(server.name, status).inc();
      before = status;
      if (connectedAt !== undefined && !isUp(state)) {
        this.#seconds.slot(server.name).observe((now - connectedAt) / 1000);
      }
      connectedAt = isUp(state) ? (connectedAt ?? now) : undefined;
    });
  }

  *#gather(): Iterable<void> {
    const servers = this.#servers();
    const before = this.#shown;
    this.#shown = new Map();
    let online = 0;
    for (const [index, server] of servers.entries()) {
      if (index % SERVERS_AT_ONCE === SERVERS_AT_ONCE - 1) yield;
      const { name, transport, state } = server.status();
      if (isUp(state)) online++;
      this.#up.slot(name, transport).set(isUp(state) ? 1 : 0);
      this.#open.slot(name, "upstream").set(server.openLanes);
      this.#shown.set(name, transport);
    }
    for (const [name, transport] of before) this.#forget(name, transport);
    this.#online.set(online);
    this.#configured.set(servers.length);
  }

  // A definition under the same name goes on with the series, as far as the labels are the same.
  #forget(name: string, transport: string): void {
    const now = this.#shown.get(name);
    if (now !== transport) this.#up.remove(name, transport);
    if (now !== undefined) return;
    this.#open.remove(name, "upstream");
    this.#seconds.remove(name);
    for (const status of ["connected", "error"]) this.#connections.remove(name, status);
  }
}

function isUp(state: ServerState): boolean {
  return state === "connected" || state === "degraded";
}
