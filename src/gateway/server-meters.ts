/** Metrics of the servers themselves: connections made and lost, how long they lasted, how many are open. */
import { CONFIGURED_SERIES_MAX, type Clock, type Metrics } from "../foundation/index.ts";
import { isFailing, type ServerState, type UpstreamServer } from "../upstream/index.ts";

/** A connection that lasts days is as good as one that lasts a day. */
const SPELL_BUCKETS = [1, 10, 60, 600, 3_600, 21_600, 86_400];

/** Stands in for the transport of a server that is switched off. */
const SWITCHED_OFF = "off";

/** Servers that are read before other work gets its turn. */
const SERVERS_AT_ONCE = 100;

export class ServerMeters {
  readonly #clock: Clock;
  readonly #servers: () => readonly UpstreamServer[];
  readonly #disabled: () => readonly string[];
  /** What the last scrape showed: the transport of each server by its name. */
  #shown = new Map<string, string>();
  readonly #connections;
  readonly #errors;
  readonly #seconds;
  readonly #open;
  readonly #up;
  readonly #online;
  readonly #configured;

  /** `disabled`: the names of servers that are configured and switched off. */
  constructor(
    metrics: Metrics,
    clock: Clock,
    servers: () => readonly UpstreamServer[],
    disabled: () => readonly string[] = () => [],
  ) {
    this.#clock = clock;
    this.#servers = servers;
    this.#disabled = disabled;
    this.#connections = metrics.counter(
      "mcp_connections_total",
      "Connections to servers by how they went: connected or error.",
      ["server_id", "status"],
      CONFIGURED_SERIES_MAX,
    );
    this.#errors = metrics.counter(
      "mcp_connection_errors_total",
      "Connections to servers that were lost or could not be made, by the code of the failure.",
      ["server_id", "error_type"],
      CONFIGURED_SERIES_MAX,
    );
    this.#seconds = metrics.histogram(
      "mcp_connection_duration_seconds",
      "How long connections to servers lasted.",
      ["server_id"],
      SPELL_BUCKETS,
      CONFIGURED_SERIES_MAX,
    );
    this.#open = metrics.gauge(
      "mcp_connection_pool_size",
      "Open connections: to servers (pool upstream) and to the database (pool database).",
      ["server_id", "pool"],
      CONFIGURED_SERIES_MAX,
    );
    this.#up = metrics.gauge(
      "mcp_upstream_up",
      "1 while a server is connected; enabled is false for one that is switched off.",
      ["server_id", "transport", "enabled"],
      CONFIGURED_SERIES_MAX,
    );
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
      if (!this.#isConfigured(server)) return;
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
    server.events.on("linkChanged", ({ from, to, code }) => {
      if (isFailing(from) || !isFailing(to) || !this.#isConfigured(server)) return;
      this.#errors.slot(server.name, code ?? "SERVER_CLOSED").inc();
    });
  }

  // A server that was removed closes a while later; its series are gone and stay so.
  #isConfigured({ name }: UpstreamServer): boolean {
    return this.#servers().some((one) => one.name === name);
  }

  // What is no more goes first, so that what is there finds room.
  *#gather(): Iterable<void> {
    const servers = this.#servers();
    const before = this.#shown;
    this.#shown = new Map(servers.map((server) => [server.name, server.status().transport]));
    for (const name of this.#disabled()) this.#shown.set(name, SWITCHED_OFF);
    for (const [name, transport] of before) this.#forget(name, transport);
    let online = 0;
    for (const [index, server] of servers.entries()) {
      if (index % SERVERS_AT_ONCE === SERVERS_AT_ONCE - 1) yield;
      const { name, transport, state } = server.status();
      if (isUp(state)) online++;
      this.#up.slot(name, transport, "true").set(isUp(state) ? 1 : 0);
      this.#open.slot(name, "upstream").set(openConnections(server));
    }
    for (const name of this.#disabled()) this.#up.slot(name, "", "false").set(0);
    this.#online.set(online);
    this.#configured.set(servers.length);
  }

  // A definition under the same name goes on with the series, as far as the labels are the same.
  #forget(name: string, transport: string): void {
    const now = this.#shown.get(name);
    if (now !== transport) {
      if (transport === SWITCHED_OFF) this.#up.remove(name, "", "false");
      else this.#up.remove(name, transport, "true");
    }
    if (now !== undefined && now !== SWITCHED_OFF) return;
    for (const family of [this.#open, this.#seconds, this.#connections, this.#errors])
      family.removeAll(name);
  }
}

// A remote server is reached over connections; a process, or a service of this one, is its own.
function openConnections({ links }: UpstreamServer): number {
  return links.reduce((sum, { connections, openLanes }) => {
    return sum + (connections?.open ?? openLanes);
  }, 0);
}

function isUp(state: ServerState): boolean {
  return state === "connected" || state === "degraded";
}
