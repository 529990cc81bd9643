import { setTimeout as delay } from "node:timers/promises";
import { limitRow, type Bench, type Question, type Row } from "../question.ts";
import { median } from "../tools/contestant.ts";
import { startGateway, type RunningGateway } from "../tools/gateway.ts";
import { echoCall, runLoad } from "../tools/load.ts";
import { HttpConnection, requestBytes } from "../tools/http-connection.ts";
import { McpClient, memberOf, type Endpoint } from "../tools/mcp-client.ts";
import { startUpstream } from "../tools/upstream.ts";

const MAX_MS = 20;
const RELOADED_SERVERS = 500;
const RELOAD_WATCH_MS = 4_000;
const SCRAPES = 5;
const SCRAPED_SERVERS = 500;
const SCRAPED_TOOLS = 20;
const SCRAPE_MAX_MS = 10;

/** How long the gateway does nothing else: under load, for a scrape, for a reload. */
export const eventLoop: Question = {
  name: "event-loop",
  method:
    "Under load: `nodejs_eventloop_lag_p99_seconds` of the gateway's own metrics over a closed loop of 16 connections. A scrape: the time of a GET of the metrics page at rest, median of five, after that load. A scrape at 500 servers of 20 tools: each tool has been called once, the page is fetched five times while `/health` is asked about every millisecond; the longest of those answers, less the longest of a second without scrapes. A reload: the configuration file gains 500 servers (all the one upstream) while `/health` is asked about every millisecond; the longest answer of the following four seconds.",
  async measure(bench) {
    const { gateway } = await bench.street();
    await gateway.scrape();
    await runLoad({
      endpoint: gateway.endpoint("modern"),
      call: echoCall("http__echo"),
      seconds: bench.seconds + 1,
    });
    const lagMs = 1000 * gaugeIn(await gateway.scrape(), "nodejs_eventloop_lag_p99_seconds");
    const scrape = await timeOfScrapes(gateway);
    const many = await longestDuringScrapes(bench);
    const reload = await longestDuringReload(bench);
    return {
      rows: [
        pauseRow("event-loop delay p99 under load", lagMs),
        pauseRow("a scrape", scrape.ms),
        limitRow({
          figure: `a scrape at ${SCRAPED_SERVERS} servers of ${SCRAPED_TOOLS} tools, as others feel it`,
          max: SCRAPE_MAX_MS,
          unit: "ms",
          digits: 1,
          measured: Math.max(0, many.longestMs - many.beforeMs),
        }),
        pauseRow(`a reload of ${RELOADED_SERVERS} servers`, reload.longestMs),
      ],
      details: `The metrics page has ${(scrape.bytes / 1024).toFixed(0)} KiB; at ${SCRAPED_SERVERS} servers ${(many.bytes / 1024).toFixed(0)} KiB, the longest answer beside its scrapes took ${many.longestMs.toFixed(1)} ms, without them ${many.beforeMs.toFixed(1)} ms. Before the reload the longest of the answers in a second took ${reload.beforeMs.toFixed(1)} ms.`,
    };
  },
};

function pauseRow(figure: string, measured: number): Row {
  return limitRow({ figure, max: MAX_MS, unit: "ms", digits: 1, measured });
}

function gaugeIn(text: string, name: string): number {
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${name} `));
  return Number(line?.split(" ")[1] ?? NaN);
}

async function timeOfScrapes(gateway: RunningGateway): Promise<{ ms: number; bytes: number }> {
  const times: number[] = [];
  let bytes = 0;
  const url = new URL(gateway.metricsUrl);
  const connection = new HttpConnection(url);
  for (let count = 0; count < SCRAPES; count++) {
    const startedMs = performance.now();
    const answer = await connection.ask(requestBytes("GET", url, {}));
    times.push(performance.now() - startedMs);
    bytes = answer.body.length;
    await delay(50);
  }
  connection.close();
  return { ms: median(times), bytes };
}

async function longestDuringScrapes(
  bench: Bench,
): Promise<{ beforeMs: number; longestMs: number; bytes: number }> {
  const upstream = await startUpstream(bench.upstream, SCRAPED_TOOLS);
  const names = Array.from({ length: SCRAPED_SERVERS }, (_, index) => `many${index}`);
  const servers = Object.fromEntries(names.map((name) => [name, { url: upstream.url }]));
  const gateway = await startGateway({ servers });
  try {
    await callEveryTool(gateway.endpoint("modern"));
    await gateway.scrape();
    const beforeMs = await longestAnswer(gateway, 1_000);
    const watching = longestAnswer(gateway, 1_000);
    let bytes = 0;
    for (let count = 0; count < SCRAPES; count++) bytes = (await gateway.scrape()).length;
    return { beforeMs, longestMs: await watching, bytes };
  } finally {
    await gateway.stop();
    await upstream.stop();
  }
}

// That the upstream knows only one of them is no matter: what is refused is counted as well.
async function callEveryTool(endpoint: Endpoint): Promise<void> {
  const client = await new McpClient(endpoint).open();
  for (const tool of await toolsOf(client)) {
    client.prepare("tools/call", tool);
    await new Promise<void>((resolve) => {
      client.call("tools/call", `"name":"${tool}","arguments":{"text":"x"}`, () => resolve());
    });
  }
  await client.close();
}

async function toolsOf(client: McpClient): Promise<string[]> {
  const names: string[] = [];
  let cursor: string | undefined;
  do {
    const members = cursor === undefined ? "" : `"cursor":"${cursor}"`;
    const page = await client.ask("tools/list", undefined, members);
    const tools = memberOf(page, "tools");
    if (Array.isArray(tools)) names.push(...tools.map((tool) => String(memberOf(tool, "name"))));
    const next = memberOf(page, "nextCursor");
    cursor = typeof next === "string" ? next : undefined;
  } while (cursor !== undefined);
  return names;
}

async function longestDuringReload(bench: Bench): Promise<{ beforeMs: number; longestMs: number }> {
  const upstream = await startUpstream(bench.upstream);
  const servers: Record<string, Record<string, unknown>> = { first: { url: upstream.url } };
  const gateway = await startGateway({ servers });
  try {
    await longestAnswer(gateway, 500);
    const beforeMs = await longestAnswer(gateway, 1_000);
    for (let index = 0; index < RELOADED_SERVERS; index++) {
      servers[`more${index}`] = { url: upstream.url };
    }
    const watching = longestAnswer(gateway, RELOAD_WATCH_MS);
    await delay(100);
    await gateway.configure({ servers });
    return { beforeMs, longestMs: await watching };
  } finally {
    await gateway.stop();
    await upstream.stop();
  }
}

async function longestAnswer(gateway: RunningGateway, forMs: number): Promise<number> {
  const url = new URL(`${gateway.url}/health`);
  const connection = new HttpConnection(url);
  const request = requestBytes("GET", url, {});
  const until = performance.now() + forMs;
  let longestMs = 0;
  while (performance.now() < until) {
    const startedMs = performance.now();
    await connection.ask(request);
    longestMs = Math.max(longestMs, performance.now() - startedMs);
    await delay(1);
  }
  connection.close();
  return longestMs;
}
