import { ratioRow, type Question } from "../question.ts";
import { Contestant, alternate, cpuUs, mediansTable } from "../tools/contestant.ts";
import { blobCall } from "../tools/load.ts";

const BYTES = 1_000_000;
const CONNECTIONS = 4;

/** What an answer of a megabyte costs. */
export const largeAnswers: Question = {
  name: "large-answers",
  method:
    "A tool whose result has 1,000,000 bytes, modern, over 4 connections. The generator compares the ends of an answer and its length.",
  async measure(bench) {
    const street = await bench.street();
    const common = { seconds: bench.seconds, connections: CONNECTIONS };
    const relay = new Contestant("bare relay", {
      ...common,
      endpoint: street.relay.endpoint("modern"),
      call: blobCall("up__blob", BYTES),
      pid: street.relay.pid,
    });
    const gateway = new Contestant("gateway", {
      ...common,
      endpoint: street.gateway.endpoint("modern"),
      call: blobCall("http__blob", BYTES),
      pid: street.gateway.pid,
    });
    const all = [relay, gateway];
    await alternate(all, bench.rounds);
    const row = ratioRow({
      figure: "CPU per call, 1 MB answer",
      times: 1.2,
      of: "bare relay streaming",
      measured: `${gateway.median(cpuUs).toFixed(0)} µs`,
      yardstick: `${relay.median(cpuUs).toFixed(0)} µs`,
      ratio: gateway.ratio(relay, cpuUs),
    });
    return { rows: [row], details: mediansTable(all) };
  },
};
