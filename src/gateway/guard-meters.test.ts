import { expect, test } from "vitest";
import { Metrics, systemClock, type Clock } from "../foundation/index.ts";
import {
  deliver,
  fails,
  modernServer,
  resets,
  upstream,
  well,
  type Behaviour,
} from "../upstream/fake-call.ts";
import type { UpstreamServer } from "../upstream/index.ts";
import { GuardMeters } from "./guard-meters.ts";

/** Meters of servers that may be exchanged. */
function metered(...servers: UpstreamServer[]): {
  scrape: () => Promise<Scrape>;
  servers: UpstreamServer[];
  watch: (server: UpstreamServer) => void;
} {
  const metrics = new Metrics();
  const meters = new GuardMeters(metrics, () => servers);
  for (const server of servers) meters.watch(server);
  return {
    servers,
    watch: (server) => meters.watch(server),
    scrape: async () => new Scrape(await metrics.render()),
  };
}

/** One scrape, by series. */
class Scrape {
  readonly text: string;
  readonly #series: ReadonlyMap<string, number>;

  constructor(text: string) {
    this.text = text;
    const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    this.#series = new Map(
      lines.map((line): [string, number] => {
        const at = line.lastIndexOf(" ");
        return [line.slice(0, at), Number(line.slice(at + 1))];
      }),
    );
  }

  /** The value of a series; undefined where there is none. */
  of(name: string, labels: Record<string, string>): number | undefined {
    const inside = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    return this.#series.get(`${name}{${inside.join(",")}}`);
  }

  /** The label sets of a family, as they are written. */
  labelsOf(name: string): string[] {
    return [...this.#series.keys()]
      .filter((key) => key.startsWith(`${name}{`))
      .map((key) => key.slice(name.length));
  }
}

/** A real clock that can be put forward. */
function movableClock(): Clock & { forwardMs: number } {
  const clock = {
    forwardMs: 0,
    now: () => systemClock.now() + clock.forwardMs,
    monotonicMs: () => systemClock.monotonicMs() + clock.forwardMs,
  };
  return clock;
}

const endpointOf = (server: UpstreamServer): string => server.links[0]?.id ?? "";
const quick = { base_delay: 1, max_delay: 5 };

test("a link has one series of state: that of the state it is in", async () => {
  const peer = await modernServer(well);
  const server = upstream({ url: peer.url });
  const { scrape } = metered(server);
  const labels = (state: string): string =>
    `{server_id="peer",endpoint="${endpointOf(server)}",state="${state}"}`;
  expect((await scrape()).labelsOf("mcp_link_state")).toEqual([labels("idle")]);
  await deliver(server);
  expect((await scrape()).labelsOf("mcp_link_state")).toEqual([labels("connected")]);
  server.links[0]?.drain();
  expect((await scrape()).labelsOf("mcp_link_state")).toEqual([labels("draining")]);
});

test("the uptime grows while the link is up, a poor spell included, and is 0 while it is down", async () => {
  const clock = movableClock();
  let behave: Behaviour = well;
  const peer = await modernServer((response, id, call) => behave(response, id, call));
  const server = upstream(
    {
      url: peer.url,
      retry_policy: { max_attempts: 1 },
      circuit_breaker: { enabled: false },
      connection_pool: { reconnect_backoff: 60_000, max_reconnect_backoff: 60_000 },
    },
    { clock },
  );
  const { scrape } = metered(server);
  const uptime = async (): Promise<number | undefined> =>
    (await scrape()).of("mcp_link_uptime_seconds", {
      server_id: "peer",
      endpoint: endpointOf(server),
    });
  expect(await uptime()).toBe(0);
  await deliver(server);
  clock.forwardMs += 100_000;
  expect(await uptime()).toBeGreaterThanOrEqual(100);
  behave = fails;
  for (let count = 0; count < 8; count++) await deliver(server);
  expect(server.links[0]?.state).toBe("degraded");
  expect(await uptime()).toBeGreaterThanOrEqual(100);
  behave = resets;
  for (let count = 0; count < 3; count++) await deliver(server);
  expect(server.links[0]?.state).toBe("reconnecting");
  expect(await uptime()).toBe(0);
});

test("the score falls with calls that fail and rises with calls that succeed", async () => {
  let behave: Behaviour = well;
  const peer = await modernServer((response, id, call) => behave(response, id, call));
  const server = upstream({
    url: peer.url,
    retry_policy: { max_attempts: 1 },
    circuit_breaker: { enabled: false },
  });
  const { scrape } = metered(server);
  const score = async (): Promise<number> =>
    (await scrape()).of("mcp_endpoint_health_score", {
      server_id: "peer",
      endpoint: endpointOf(server),
    }) ?? NaN;
  await deliver(server);
  const good = await score();
  behave = fails;
  for (let count = 0; count < 4; count++) await deliver(server);
  const poor = await score();
  behave = well;
  for (let count = 0; count < 4; count++) await deliver(server);
  const better = await score();
  expect(good).toBe(1);
  expect(poor).toBeLessThan(good);
  expect(better).toBeGreaterThan(poor);
});

test("breakers show their state, a tool's own only while it is not simply closed, and each change is counted", async () => {
  const peer = await modernServer(fails);
  const server = upstream({
    url: peer.url,
    retry_policy: { max_attempts: 1 },
    circuit_breaker: { failures: 4, open_for: 60_000 },
  });
  const { scrape } = metered(server);
  const state = (scraped: Scrape, tool: string): number | undefined =>
    scraped.of("mcp_circuit_breaker_state", { server_id: "peer", tool_name: tool });
  const transitions = (scraped: Scrape, from: string, to: string): number | undefined =>
    scraped.of("mcp_circuit_breaker_transitions_total", {
      server_id: "peer",
      from_state: from,
      to_state: to,
    });
  const before = await scrape();
  expect([state(before, ""), state(before, "put")]).toEqual([0, undefined]);
  for (let count = 0; count < 4; count++) await deliver(server);
  const open = await scrape();
  expect([state(open, ""), state(open, "put")]).toEqual([0, 2]);
  expect(transitions(open, "closed", "open")).toBe(1);
  server.setBreaker("open");
  const both = await scrape();
  expect([state(both, ""), state(both, "put")]).toEqual([2, 2]);
  expect(transitions(both, "closed", "open")).toBe(2);
  server.setBreaker("closed");
  const closed = await scrape();
  expect([state(closed, ""), state(closed, "put")]).toEqual([0, undefined]);
  expect(transitions(closed, "open", "closed")).toBe(2);
});

test("a breaker whose trial is under way is half open", async () => {
  const clock = movableClock();
  let release: (() => void) | undefined;
  const peer = await modernServer((response, id, call) => {
    if (call === 1) fails(response, id, call);
    else release = () => well(response, id, call);
  });
  const server = upstream(
    {
      url: peer.url,
      retry_policy: { max_attempts: 1 },
      circuit_breaker: { failures: 1, open_for: 60_000 },
    },
    { clock },
  );
  const { scrape } = metered(server);
  await deliver(server);
  clock.forwardMs += 60_000;
  const trial = deliver(server);
  await expect.poll(() => release).toBeDefined();
  const labels = { server_id: "peer", tool_name: "put" };
  expect((await scrape()).of("mcp_circuit_breaker_state", labels)).toBe(1);
  release?.();
  expect((await trial).error).toBeUndefined();
  expect((await scrape()).of("mcp_circuit_breaker_state", labels)).toBeUndefined();
});

test("calls that run and wait, and connections in use, are those of this moment", async () => {
  const held: (() => void)[] = [];
  const peer = await modernServer((response, id) => {
    held.push(() => well(response, id, 0));
  });
  const server = upstream({
    url: peer.url,
    bulkhead: { concurrency: 2, queue: 5, queue_timeout: 5_000, principal_share: 1 },
  });
  const { scrape } = metered(server);
  const figures = (scraped: Scrape): (number | undefined)[] =>
    ["mcp_bulkhead_running", "mcp_bulkhead_waiting", "mcp_connection_pool_active"].map((name) =>
      scraped.of(name, { server_id: "peer" }),
    );
  const waits = async (): Promise<(number | undefined)[]> => {
    const scraped = await scrape();
    return ["count", "sum"].map((of) =>
      scraped.of(`mcp_queue_wait_seconds_${of}`, { queue: "bulkhead" }),
    );
  };
  const calls = [deliver(server), deliver(server), deliver(server)];
  await expect.poll(() => held.length).toBe(2);
  expect(figures(await scrape())).toEqual([2, 1, 2]);
  expect(await waits()).toEqual([0, 0]);
  for (let count = 0; count < 3; count++) {
    await expect.poll(() => held.length).toBeGreaterThan(0);
    held.shift()?.();
  }
  await Promise.all(calls);
  await expect.poll(() => server.links[0]?.connections?.busy).toBe(0);
  expect(figures(await scrape())).toEqual([0, 0, 0]);
  expect(await waits()).toEqual([1, expect.toSatisfy((seconds: number) => seconds > 0)]);
});

test("repeats and reconnections are counted once, however often they are scraped", async () => {
  let behave: Behaviour = (response, id, call) => (call === 2 ? well : resets)(response, id, call);
  const peer = await modernServer((response, id, call) => behave(response, id, call));
  const server = upstream({
    url: peer.url,
    retry_policy: quick,
    connection_pool: { reconnect_backoff: 20, max_reconnect_backoff: 20 },
  });
  const { scrape } = metered(server);
  const counted = async (): Promise<(number | undefined)[]> => {
    const scraped = await scrape();
    return [
      scraped.of("mcp_tool_execution_retries_total", { server_id: "peer" }),
      scraped.of("mcp_link_reconnects_total", {
        server_id: "peer",
        endpoint: endpointOf(server),
        reason: "SERVER_CLOSED",
      }),
    ];
  };
  expect(await counted()).toEqual([0, undefined]);
  await deliver(server, { safe: true });
  expect([await counted(), await counted()]).toEqual([
    [1, undefined],
    [1, undefined],
  ]);
  behave = resets;
  for (let count = 0; count < 3; count++) await deliver(server);
  behave = well;
  await expect.poll(() => server.links[0]?.state).toBe("connected");
  expect([await counted(), await counted()]).toEqual([
    [1, 1],
    [1, 1],
  ]);
});

test("a server made anew under its name adds to the counters all that it counted itself", async () => {
  const behave: Behaviour = (response, id, call) =>
    (call % 2 === 0 ? well : resets)(response, id, call);
  const peer = await modernServer(behave);
  const make = (): UpstreamServer => upstream({ url: peer.url, retry_policy: quick });
  const [first, second] = [make(), make()];
  const { scrape, servers, watch } = metered(first);
  const repeated = async (): Promise<number | undefined> =>
    (await scrape()).of("mcp_tool_execution_retries_total", { server_id: "peer" });
  await deliver(first, { safe: true });
  expect(await repeated()).toBe(1);
  servers[0] = second;
  watch(second);
  for (let count = 0; count < 2; count++) await deliver(second, { safe: true });
  expect(await repeated()).toBe(3);
});

test("a removed server's series are gone from the next scrape, and nothing late brings one back", async () => {
  const peer = await modernServer(fails);
  const make = (name: string): UpstreamServer =>
    upstream(
      {
        url: peer.url,
        retry_policy: { ...quick, max_attempts: 2 },
        circuit_breaker: { failures: 2 },
      },
      { name },
    );
  const [kept, removed] = [make("kept"), make("removed")];
  const { scrape, servers } = metered(kept, removed);
  for (const server of [kept, removed]) await deliver(server, { safe: true });
  const before = await scrape();
  for (const family of [
    "mcp_link_state",
    "mcp_link_uptime_seconds",
    "mcp_endpoint_health_score",
    "mcp_circuit_breaker_state",
    "mcp_circuit_breaker_transitions_total",
    "mcp_bulkhead_running",
    "mcp_bulkhead_waiting",
    "mcp_connection_pool_active",
    "mcp_link_messages_total",
    "mcp_link_rtt_seconds",
    "mcp_endpoint_ejected",
    "mcp_connection_pool_in_use",
    "mcp_tool_execution_retries_total",
  ]) {
    const labels = before.labelsOf(family).join(" ");
    expect([family, labels]).toEqual([family, expect.stringContaining('"removed"')]);
  }
  servers.splice(1);
  expect((await scrape()).text).not.toContain('"removed"');
  removed.setBreaker("open");
  await removed.close();
  const after = await scrape();
  expect(after.text).not.toContain('"removed"');
  expect(after.labelsOf("mcp_circuit_breaker_transitions_total").join(" ")).toContain('"kept"');
});

test("an endpoint that is no longer configured takes its series along", async () => {
  const [one, two] = [await modernServer(well), await modernServer(well)];
  const both = upstream({ endpoints: [{ url: one.url }, { url: two.url }] });
  const single = upstream({ endpoints: [{ url: one.url }] });
  const { scrape, servers } = metered(both);
  const [stays, goes] = both.links.map(({ id }) => id);
  expect((await scrape()).text).toContain(`endpoint="${goes}"`);
  servers[0] = single;
  const after = await scrape();
  expect(after.text).not.toContain(`endpoint="${goes}"`);
  expect(after.text).toContain(`endpoint="${stays}"`);
});

test("messages of all endpoints of a server are added up, failed ones apart", async () => {
  const [good, bad] = [await modernServer(well), await modernServer(fails)];
  const server = upstream({
    endpoints: [{ url: good.url }, { url: bad.url }],
    retry_policy: { max_attempts: 1 },
    circuit_breaker: { enabled: false },
  });
  const { scrape } = metered(server);
  for (let count = 0; count < 6; count++) await deliver(server);
  const scraped = await scrape();
  const messages = (direction: string, outcome: string): number =>
    scraped.of("mcp_link_messages_total", { server_id: "peer", direction, outcome }) ?? 0;
  expect(messages("out", "ok")).toBe(6);
  expect(messages("in", "ok") + messages("in", "error")).toBe(6);
  expect(messages("in", "ok")).toBe(good.calls("tools/call").length);
  expect(messages("in", "error")).toBe(bad.calls("tools/call").length);
});
