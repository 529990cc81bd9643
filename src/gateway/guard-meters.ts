/** Metrics of what guards the calls to servers: links, breakers, repeats, bulkheads. Most are read when they are scraped. */
import type { Counter, Gauge, Metrics } from "../foundation/index.ts";
import { breakerStates, type UpstreamServer } from "../upstream/index.ts";

/** Servers that are read before other work gets its turn. */
const SERVERS_AT_ONCE = 50;

export class GuardMeters {
  readonly #servers: () => readonly UpstreamServer[];
  readonly #gauges: Readonly<
    Record<"state" | "uptime" | "score" | "breaker" | "running" | "waiting" | "active", Gauge>
  >;
  readonly #reconnects: Counter;
  readonly #retries: Counter;
  readonly #transitions: Counter;
  /** What the last scrape showed, each series once, to be taken back when it is no more. */
  #shown = new Map<string, { family: Gauge | Counter; labels: string[] }>();
  /** How far the counters have followed what counts by itself; a server that is made anew begins at nothing. */
  readonly #counted = new WeakMap<object, number>();
  /** The servers that may have series of transitions. */
  readonly #named = new Set<string>();

  constructor(metrics: Metrics, servers: () => readonly UpstreamServer[]) {
    this.#servers = servers;
    const link = ["server_id", "endpoint"];
    this.#gauges = {
      state: metrics.gauge("mcp_link_state", "1 for the state each endpoint's link is in.", [
        ...link,
        "state",
      ]),
      uptime: metrics.gauge(
        "mcp_link_uptime_seconds",
        "How long the link has been up without a break; 0 while it is down.",
        link,
      ),
      score: metrics.gauge(
        "mcp_endpoint_health_score",
        "How well an endpoint's last calls went, 0 to 1.",
        link,
      ),
      breaker: metrics.gauge(
        "mcp_circuit_breaker_state",
        "0 closed, 1 half open, 2 open: of a server (tool_name empty) and of its tools that failed lately.",
        ["server_id", "tool_name"],
      ),
      running: metrics.gauge("mcp_bulkhead_running", "Calls of a server that run.", ["server_id"]),
      waiting: metrics.gauge("mcp_bulkhead_waiting", "Calls of a server that wait for others.", [
        "server_id",
      ]),
      active: metrics.gauge(
        "mcp_connection_pool_active",
        "Connections to servers that carry a call at this moment.",
        ["server_id"],
      ),
    };
    this.#reconnects = metrics.counter(
      "mcp_link_reconnects_total",
      "Connections to servers that were lost and made again.",
      link,
    );
    this.#retries = metrics.counter(
      "mcp_tool_execution_retries_total",
      "Calls that were sent again after they had failed.",
      ["server_id"],
    );
    this.#transitions = metrics.counter(
      "mcp_circuit_breaker_transitions_total",
      "Changes of state of circuit breakers.",
      ["server_id", "from_state", "to_state"],
    );
    metrics.collect(() => this.#gather());
  }

  /** Follows a server's breakers from now on, for as long as it is configured. */
  watch(server: UpstreamServer): void {
    server.events.on("breakerChanged", ({ from, to }) => {
      // The last calls of a removed server end a while later; its series are gone and stay so.
      if (!this.#servers().some(({ name }) => name === server.name)) return;
      this.#named.add(server.name);
      this.#transitions.slot(server.name, breakerStates[from], breakerStates[to]).inc();
    });
  }

  *#gather(): Iterable<void> {
    const before = this.#shown;
    this.#shown = new Map();
    const servers = this.#servers();
    for (const [index, server] of servers.entries()) {
      if (index % SERVERS_AT_ONCE === SERVERS_AT_ONCE - 1) yield;
      this.#gatherServer(server);
    }
    for (const [key, { family, labels }] of before)
      if (!this.#shown.has(key)) family.remove(...labels);
    const names = new Set(servers.map(({ name }) => name));
    for (const name of this.#named) if (!names.has(name)) this.#forgetTransitions(name);
  }

  #forgetTransitions(name: string): void {
    this.#named.delete(name);
    for (const from of breakerStates)
      for (const to of breakerStates) this.#transitions.remove(name, from, to);
  }

  #gatherServer(server: UpstreamServer): void {
    const { name } = server;
    const { state, uptime, score, breaker, running, waiting, active } = this.#gauges;
    const now = server.clock.now();
    let busy = 0;
    for (const link of server.links) {
      const { id, history } = link;
      this.#show(state, [name, id, link.state], 1);
      this.#show(uptime, [name, id], history.upSpellMs(now) / 1000);
      this.#show(score, [name, id], link.health.score);
      this.#follow(this.#reconnects, [name, id], history, history.reconnects);
      busy += link.connections?.busy ?? link.health.inFlight;
    }
    this.#show(active, [name], busy);
    this.#show(breaker, [name, ""], server.breakers.state);
    for (const [tool, status] of Object.entries(server.breakers.explain().tools)) {
      this.#show(breaker, [name, tool], breakerStates.indexOf(status.state));
    }
    const bulkhead = server.bulkhead.status();
    this.#show(running, [name], bulkhead.running);
    this.#show(waiting, [name], bulkhead.waiting);
    this.#follow(this.#retries, [name], server.retries, server.retries.repeated);
  }

  #show(family: Gauge, labels: string[], value: number): void {
    family.slot(...labels).set(value);
    this.#shown.set(keyOf(family, labels), { family, labels });
  }

  // Counts what has been added to `source` since the last scrape.
  #follow(family: Counter, labels: string[], source: object, value: number): void {
    family.slot(...labels).inc(value - (this.#counted.get(source) ?? 0));
    this.#counted.set(source, value);
    this.#shown.set(keyOf(family, labels), { family, labels });
  }
}

function keyOf({ name }: Gauge | Counter, labels: readonly string[]): string {
  return `${name}\n${labels.join("\n")}`;
}
