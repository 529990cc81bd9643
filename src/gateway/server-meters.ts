/** Metrics of the servers themselves: connections made and lost, how long they lasted, how many are open. */
import type { Clock, Metrics } from "../foundation/index.ts";
import type { ServerState, UpstreamServer } from "../upstream/index.ts";

/** A connection that lasts days is as good as one that lasts a day. */
const SPELL_BUCKETS = [1, 10, 60, 600, 3_600, 21_600, 86_400];

export class ServerMeters {
  readonly #clock: Clock;
  readonly #connections;
  readonly #seconds;
  readonly #open;
  readonly #up;
  readonly #online;
  readonly #configured;

  constructor(metrics: Metrics, clock: Clock, servers: () => readonly UpstreamServer[]) {
    this.#clock = clock;
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
    metrics.collect(() => this.#gather(servers()));
  }

  /** Follows a server's state from now on. */
  watch(server: UpstreamServer): void {
    let connectedAt: number | undefined;
    server.events.on("stateChanged", ({ state }) => {
      const now = this.#clock.monotonicMs();
      if (COUNTED.has(state)) this.#connections.slot(server.name, state).inc();
      if (connectedAt !== undefined && state !== "connected") {
        this.#seconds.slot(server.name).observe((now - connectedAt) / 1000);
      }
      connectedAt = state === "connected" ? (connectedAt ?? now) : undefined;
    });
  }

  #gather(servers: readonly UpstreamServer[]): void {
    let online = 0;
    for (const server of servers) {
      const { name, transport, state } = server.status();
      if (state === "connected") online++;
      this.#up.slot(name, transport).set(state === "connected" ? 1 : 0);
      this.#open.slot(name, "upstream").set(server.openLanes);
    }
    this.#online.set(online);
    this.#configured.set(servers.length);
  }
}

const COUNTED: ReadonlySet<ServerState> = new Set(["connected", "error"]);
