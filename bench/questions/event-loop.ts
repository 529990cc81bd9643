import { setTimeout as delay } from "node:timers/promises";
import { limitRow, type Bench, type Question, type Row } from "../question.ts";
import { median } from "../tools/contestant.ts";
import { startGateway, type RunningGateway } from "../tools/gateway.ts";
import { echoCall, runLoad } from "../tools/load.ts";
import { HttpConnection, requestBytes } from "../tools/http-connection.ts";
import { startUpstream } from "../tools/upstream.ts";

const MAX_MS = 20;
const RELOADED_SERVERS = 500;
const RELOAD_WATCH_MS = 4_000;
const SCRAPES = 5;

/** How long the gateway does nothing else: under load, for a scrape, for a reload. */
export const eventLoop: Question = {
  name: "event-loop",
  method:
    "Under load: `nodejs_eventloop_lag_p99_seconds` of the gateway's own metrics over a closed loop of 16 connections. A scrape: the time of a GET of the metrics page at rest, median of five, after that load. A reload: the configuration file gains 500 servers (all the one upstream) while `/health` is asked about every millisecond; the longest answer of the following four seconds.",
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
    const reload = await longestDuringReload(bench);
    return {
      rows: [
        pauseRow("event-loop delay p99 under load", lagMs),
        pauseRow("a scrape", scrape.ms),
        pauseRow(`a reload of ${RELOADED_SERVERS} servers`, reload.longestMs),
      ],
      details: `The metrics page has ${(scrape.bytes / 1024).toFixed(0)} KiB. Before the reload the longest of the answers in a second took ${reload.beforeMs.toFixed(1)} ms.`,
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
