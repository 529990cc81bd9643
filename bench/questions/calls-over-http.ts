import { inBothEras, ratioRow, type Bench, type Findings, type Question } from "../question.ts";
import { Contestant, alternate, cpuUs, mediansTable } from "../tools/contestant.ts";
import { echoCall } from "../tools/load.ts";
import type { Era } from "../tools/mcp-client.ts";

/** What a call costs whose server is reached over HTTP. */
export const callsOverHttp: Question = {
  name: "calls-over-http",
  method:
    "`tools/call` of an echo tool with a 64-byte argument over 16 kept-alive connections, each with one call in flight. Processor time of the process under test (user and system) divided by the right answers in the window; the ratio is the median of the rounds' ratios. The server is spoken to in the client's era, once modern and once legacy (a session per connection).",
  measure: (bench) => inBothEras((era) => measureEra(bench, era)),
};

async function measureEra(bench: Bench, era: Era): Promise<Findings> {
  const street = await bench.street();
  const { seconds } = bench;
  const direct = new Contestant("direct", {
    endpoint: street.direct(era),
    call: echoCall("echo"),
    seconds,
  });
  const relay = new Contestant("bare relay", {
    endpoint: street.relay.endpoint(era),
    call: echoCall("up__echo"),
    pid: street.relay.pid,
    seconds,
  });
  const gateway = new Contestant("gateway", {
    endpoint: street.gateway.endpoint(era),
    call: echoCall(era === "modern" ? "http__echo" : "http-old__echo"),
    pid: street.gateway.pid,
    seconds,
  });
  const all = [direct, relay, gateway];
  await alternate(all, bench.rounds);
  const row = ratioRow({
    figure: `CPU per call, HTTP upstream, ${era}, 16 connections`,
    times: 1.4,
    of: "bare relay",
    measured: `${gateway.median(cpuUs).toFixed(1)} µs`,
    yardstick: `${relay.median(cpuUs).toFixed(1)} µs`,
    ratio: gateway.ratio(relay, cpuUs),
  });
  return { rows: [row], details: mediansTable(all) };
}
