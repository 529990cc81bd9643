/** Metrics of what guards the calls to servers: links, breakers, repeats, bulkheads. Most are read when they are scraped. */
import {
  CONFIGURED_SERIES_MAX,
  type Counter,
  type Gauge,
  type HistogramSlot,
  type Metrics,
} from "../foundation/index.ts";
import {
  breakerStates,
  isFailing,
  type LinkState,
  type UpstreamServer,
} from "../upstream/index.ts";

/** Servers that are read, and series that are written, before other work gets its turn. */
const SERVERS_AT_ONCE = 50;
const SERIES_AT_ONCE = 1_000;

type Link = UpstreamServer["links"][number];

/** The gauges of what a server is like now, by what they are called here. */
const GAUGES = {
  state: {
    name: "mcp_link_state",
    help: "1 for the state each endpoint's link is in.",
    labels: ["server_id", "endpoint", "state"],
  },
  uptime: {
    name: "mcp_link_uptime_seconds",
    help: "How long the link has been up without a break; 0 while it is down.",
    labels: ["server_id", "endpoint"],
  },
  score: {
    name: "mcp_endpoint_health_score",
    help: "How well an endpoint's last calls went, 0 to 1.",
    labels: ["server_id", "endpoint"],
  },
  ejected: {
    name: "mcp_endpoint_ejected",
    help: "1 while the balance leaves an endpoint out because of its failures.",
    labels: ["server_id", "endpoint"],
  },
  latency: {
    name: "mcp_link_rtt_seconds",
    help: "How long an endpoint's last calls took, the slow ones counting more.",
    labels: ["server_id", "endpoint"],
  },
  lastMessage: {
    name: "mcp_link_last_message_timestamp_seconds",
    help: "When a call over the link last ended, in seconds since 1970.",
    labels: ["server_id", "endpoint"],
  },
  breaker: {
    name: "mcp_circuit_breaker_state",
    help: "0 closed, 1 half open, 2 open: of a server (tool_name empty) and of its tools that failed lately.",
    labels: ["server_id", "tool_name"],
  },
  running: {
    name: "mcp_bulkhead_running",
    help: "Calls of a server that run.",
    labels: ["server_id"],
  },
  waiting: {
    name: "mcp_bulkhead_waiting",
    help: "Calls of a server that wait for others.",
    labels: ["server_id"],
  },
  active: {
    name: "mcp_connection_pool_active",
    help: "Connections to servers that carry a call at this moment.",
    labels: ["server_id"],
  },
  inUse: {
    name: "mcp_connection_pool_in_use",
    help: "Connections that carry something at this moment.",
    labels: ["server_id", "pool"],
  },
  max: {
    name: "mcp_connection_pool_max",
    help: "Most connections there may be.",
    labels: ["server_id", "pool"],
  },
  poolWaiting: {
    name: "mcp_connection_pool_waiting",
    help: "Waiters for one.",
    labels: ["server_id", "pool"],
  },
  processes: {
    name: "mcp_processes",
    help: "Processes of a local server that run.",
    labels: ["server_id"],
  },
  crashLoop: {
    name: "mcp_process_crash_loop",
    help: "1 while a local server ends again and again soon after its start.",
    labels: ["server_id"],
  },
} as const;

/** The counters that follow what counts by itself. */
const COUNTERS = {
  messages: {
    name: "mcp_link_messages_total",
    help: "Requests sent to a server (out), answers of it and requests that failed (in).",
    labels: ["server_id", "direction", "outcome"],
  },
  retries: {
    name: "mcp_tool_execution_retries_total",
    help: "Calls that were sent again after they had failed.",
    labels: ["server_id"],
  },
  budgetStops: {
    name: "mcp_retry_budget_exhausted_total",
    help: "Calls that were not sent again because the server had too many repeats already.",
    labels: ["server_id"],
  },
  refused: {
    name: "mcp_bulkhead_refused_total",
    help: "Calls that found no place, or waited for one in vain.",
    labels: ["server_id"],
  },
} as const;

/** One series that this scrape shows. */
interface Shown {
  readonly family: Gauge | Counter;
  readonly labels: readonly string[];
  readonly show: () => void;
}

export class GuardMeters {
  readonly #servers: () => readonly UpstreamServer[];
  readonly #gauges: Readonly<Record<keyof typeof GAUGES, Gauge>>;
  readonly #counters: Readonly<Record<keyof typeof COUNTERS, Counter>>;
  readonly #reconnects: Counter;
  readonly #transitions: Counter;
  readonly #waits: HistogramSlot;
  /** What the last scrape showed, each series once, to be taken back when it is no more. */
  #shown: ReadonlyMap<string, Shown> = new Map();
  /** How far the counters have followed what counts by itself; a server that is made anew begins at nothing. */
  readonly #counted = new WeakMap<object, Map<string, number>>();
  /** The servers that may have series of their own events. */
  readonly #named = new Set<string>();

  constructor(metrics: Metrics, servers: () => readonly UpstreamServer[]) {
    this.#servers = servers;
    const gaugeOf = (key: keyof typeof GAUGES): Gauge => {
      const { name, help, labels } = GAUGES[key];
      return metrics.gauge(name, help, labels, CONFIGURED_SERIES_MAX);
    };
    const counterOf = (key: keyof typeof COUNTERS): Counter => {
      const { name, help, labels } = COUNTERS[key];
      return metrics.counter(name, help, labels, CONFIGURED_SERIES_MAX);
    };
    this.#gauges = {
      state: gaugeOf("state"),
      uptime: gaugeOf("uptime"),
      score: gaugeOf("score"),
      ejected: gaugeOf("ejected"),
      latency: gaugeOf("latency"),
      lastMessage: gaugeOf("lastMessage"),
      breaker: gaugeOf("breaker"),
      running: gaugeOf("running"),
      waiting: gaugeOf("waiting"),
      active: gaugeOf("active"),
      inUse: gaugeOf("inUse"),
      max: gaugeOf("max"),
      poolWaiting: gaugeOf("poolWaiting"),
      processes: gaugeOf("processes"),
      crashLoop: gaugeOf("crashLoop"),
    };
    this.#counters = {
      messages: counterOf("messages"),
      retries: counterOf("retries"),
      budgetStops: counterOf("budgetStops"),
      refused: counterOf("refused"),
    };
    this.#reconnects = metrics.counter(
      "mcp_link_reconnects_total",
      "Connections to servers that were lost and made again, by the code of what had lost them.",
      ["server_id", "endpoint", "reason"],
      CONFIGURED_SERIES_MAX,
    );
    this.#transitions = metrics.counter(
      "mcp_circuit_breaker_transitions_total",
      "Changes of state of circuit breakers.",
      ["server_id", "from_state", "to_state"],
      CONFIGURED_SERIES_MAX,
    );
    this.#waits = metrics
      .histogram(
        "mcp_queue_wait_seconds",
        "How long those waited that had to: in the bulkhead, calls that found no place at once.",
        ["queue"],
      )
      .slot("bulkhead");
    metrics.collect(() => this.#gather());
  }

  /** Follows a server's breakers and links from now on, for as long as it is configured. */
  watch(server: UpstreamServer): void {
    server.events.on("breakerChanged", ({ from, to }) => {
      if (!this.#isConfigured(server)) return;
      this.#transitions.slot(server.name, breakerStates[from], breakerStates[to]).inc();
    });
    server.events.on("waited", ({ ms }) => this.#waits.observe(ms / 1000));
    const lost = new Map<string, string>();
    server.events.on("linkChanged", ({ endpoint, from, to, code }) => {
      if (isUp(from) && isFailing(to)) lost.set(endpoint, code ?? "SERVER_CLOSED");
      const reason = lost.get(endpoint);
      if (!isUp(to) || reason === undefined) return;
      lost.delete(endpoint);
      if (this.#isConfigured(server)) this.#reconnects.slot(server.name, endpoint, reason).inc();
    });
  }

  // The last calls of a removed server end a while later; its series are gone and stay so.
  #isConfigured({ name }: UpstreamServer): boolean {
    if (!this.#servers().some((one) => one.name === name)) return false;
    this.#named.add(name);
    return true;
  }

  // What is no more goes first, so that what is there finds room.
  *#gather(): Iterable<void> {
    const servers = this.#servers();
    const now = new Map<string, Shown>();
    for (const [index, server] of servers.entries()) {
      if (index % SERVERS_AT_ONCE === SERVERS_AT_ONCE - 1) yield;
      for (const shown of this.#seriesOf(server)) add(now, shown);
    }
    for (const [key, { family, labels }] of this.#shown)
      if (!now.has(key)) family.remove(...labels);
    const names = new Set(servers.map(({ name }) => name));
    for (const name of this.#named) if (!names.has(name)) this.#forget(name);
    this.#shown = now;
    let count = 0;
    for (const { show } of now.values()) {
      if (++count % SERIES_AT_ONCE === 0) yield;
      show();
    }
  }

  #forget(name: string): void {
    this.#named.delete(name);
    this.#transitions.removeAll(name);
    this.#reconnects.removeAll(name);
  }

  *#seriesOf(server: UpstreamServer): Iterable<Shown> {
    const { name, links, breakers, retries } = server;
    const gauges = this.#gauges;
    for (const link of links) yield* this.#seriesOfLink(server, link);
    yield* this.#poolOf(server);
    yield set(gauges.breaker, [name, ""], breakers.state);
    for (const [tool, status] of Object.entries(breakers.explain().tools)) {
      yield set(gauges.breaker, [name, tool], breakerStates.indexOf(status.state));
    }
    const bulkhead = server.bulkhead.status();
    yield set(gauges.running, [name], bulkhead.running);
    yield set(gauges.waiting, [name], bulkhead.waiting);
    const { retries: repeated, budgetStops, refused } = this.#counters;
    yield this.#follow(refused, [name], server.bulkhead, bulkhead.refused + bulkhead.timedOut);
    yield this.#follow(repeated, [name], retries, retries.repeated);
    yield this.#follow(budgetStops, [name], retries, retries.explain().stopped.budget);
    if (server.crashLoop === undefined) return;
    yield set(gauges.crashLoop, [name], server.crashLoop.looping ? 1 : 0);
    const processes = links.reduce((sum, link) => sum + link.stdioLanes.length, 0);
    yield set(gauges.processes, [name], processes);
  }

  *#seriesOfLink(server: UpstreamServer, link: Link): Iterable<Shown> {
    const { name, clock } = server;
    const { id, history, health, state } = link;
    const gauges = this.#gauges;
    yield set(gauges.state, [name, id, state], 1);
    yield set(gauges.uptime, [name, id], history.upSpellMs(clock.now()) / 1000);
    yield set(gauges.score, [name, id], health.score);
    yield set(gauges.ejected, [name, id], health.ejectedUntil === undefined ? 0 : 1);
    const { latencyMs, lastEndedMs, totals } = health;
    if (latencyMs !== undefined) yield set(gauges.latency, [name, id], latencyMs / 1000);
    if (lastEndedMs !== undefined) {
      const at = clock.now() - clock.monotonicMs() + lastEndedMs;
      yield set(gauges.lastMessage, [name, id], at / 1000);
    }
    const { messages } = this.#counters;
    yield this.#follow(messages, [name, "out", "ok"], health, totals.sent);
    yield this.#follow(messages, [name, "in", "ok"], health, totals.answered);
    yield this.#follow(messages, [name, "in", "error"], health, totals.failed);
  }

  *#poolOf({ name, links }: UpstreamServer): Iterable<Shown> {
    const pools = links.flatMap(({ connections }) => connections ?? []);
    const sum = (of: (pool: (typeof pools)[number]) => number): number =>
      pools.reduce((total, pool) => total + of(pool), 0);
    const { active, inUse, max, poolWaiting } = this.#gauges;
    const inFlight = links.reduce((total, { health }) => total + health.inFlight, 0);
    yield set(active, [name], pools.length === 0 ? inFlight : sum(({ busy }) => busy));
    if (pools.length === 0) return;
    const labels = [name, "upstream"];
    yield set(
      inUse,
      labels,
      sum(({ busy }) => busy),
    );
    yield set(
      max,
      labels,
      sum((pool) => pool.max),
    );
    yield set(
      poolWaiting,
      labels,
      sum(({ waiting }) => waiting),
    );
  }

  // Counts what has been added to `source` since the last scrape.
  #follow(family: Counter, labels: readonly string[], source: object, value: number): Shown {
    const show = (): void => {
      const counted = this.#counted.get(source) ?? new Map<string, number>();
      const key = `${family.name} ${labels.join(" ")}`;
      family.slot(...labels).inc(value - (counted.get(key) ?? 0));
      this.#counted.set(source, counted.set(key, value));
    };
    return { family, labels, show };
  }
}

// What several endpoints count under one label set is added up.
function add(to: Map<string, Shown>, shown: Shown): void {
  const key = keyOf(shown);
  const other = to.get(key);
  if (other === undefined) {
    to.set(key, shown);
    return;
  }
  const show = (): void => {
    other.show();
    shown.show();
  };
  to.set(key, { ...shown, show });
}

function set(family: Gauge, labels: readonly string[], value: number): Shown {
  return { family, labels, show: () => family.slot(...labels).set(value) };
}

function keyOf({ family, labels }: Shown): string {
  return `${family.name}\n${labels.join("\n")}`;
}

function isUp(state: LinkState): boolean {
  return state === "connected" || state === "degraded";
}
