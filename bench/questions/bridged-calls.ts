import { inBothEras, ratioRow, type Bench, type Findings, type Question } from "../question.ts";
import { Contestant, alternate, cpuUs, mediansTable } from "../tools/contestant.ts";
import { echoCall } from "../tools/load.ts";
import type { Era } from "../tools/mcp-client.ts";

/** What a call costs whose client and server are of different eras. */
export const bridgedCalls: Question = {
  name: "bridged-calls",
  method:
    "As calls over HTTP, but the server is held to the other era than its client's: a modern client calls a legacy server, and the reverse. The yardstick is the bare relay in the client's era, which bridges nothing.",
  measure: (bench) => inBothEras((era) => measureEra(bench, era)),
};

async function measureEra(bench: Bench, era: Era): Promise<Findings> {
  const street = await bench.street();
  const { seconds } = bench;
  const relay = new Contestant("bare relay", {
    endpoint: street.relay.endpoint(era),
    call: echoCall("up__echo"),
    pid: street.relay.pid,
    seconds,
  });
  const gateway = new Contestant("gateway", {
    endpoint: street.gateway.endpoint(era),
    call: echoCall(era === "modern" ? "http-old__echo" : "http__echo"),
    pid: street.gateway.pid,
    seconds,
  });
  const all = [relay, gateway];
  await alternate(all, bench.rounds);
  const row = ratioRow({
    figure: `CPU per bridged call, ${era} client, ${era === "modern" ? "legacy" : "modern"} server`,
    times: 1.8,
    of: "bare relay",
    measured: `${gateway.median(cpuUs).toFixed(1)} µs`,
    yardstick: `${relay.median(cpuUs).toFixed(1)} µs`,
    ratio: gateway.ratio(relay, cpuUs),
  });
  return { rows: [row], details: mediansTable(all) };
}
