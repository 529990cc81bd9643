import { limitRow, type Question } from "../question.ts";
import { Contestant, alternate, mediansTable, p50Ms, p99Ms } from "../tools/contestant.ts";
import { echoCall } from "../tools/load.ts";

const RATE = 1_000;

/** What the gateway adds to a call's time. */
export const addedLatency: Question = {
  name: "added-latency",
  method:
    "Open loop: 1,000 calls a second are sent about every millisecond over 16 connections, whether or not earlier ones were answered; waiting for a free connection counts. Modern, HTTP upstream. Added is the gateway's quantile less that of the direct call in the same round; the median of the rounds.",
  async measure(bench) {
    const street = await bench.street();
    const common = { seconds: bench.seconds + 1, rate: RATE };
    const direct = new Contestant("direct", {
      ...common,
      endpoint: street.direct("modern"),
      call: echoCall("echo"),
    });
    const relay = new Contestant("bare relay", {
      ...common,
      endpoint: street.relay.endpoint("modern"),
      call: echoCall("up__echo"),
    });
    const gateway = new Contestant("gateway", {
      ...common,
      endpoint: street.gateway.endpoint("modern"),
      call: echoCall("http__echo"),
    });
    const all = [direct, relay, gateway];
    await alternate(all, bench.rounds);
    return {
      rows: [
        limitRow({
          figure: "p50 added to direct at 1,000 calls/s",
          max: 0.25,
          unit: "ms",
          digits: 3,
          measured: gateway.added(direct, p50Ms),
          yardstick: relay.added(direct, p50Ms),
        }),
        limitRow({
          figure: "p99 added to direct at 1,000 calls/s",
          max: 1.5,
          unit: "ms",
          digits: 3,
          measured: gateway.added(direct, p99Ms),
          yardstick: relay.added(direct, p99Ms),
        }),
      ],
      details: mediansTable(all),
    };
  },
};
