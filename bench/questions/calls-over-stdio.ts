import { inBothEras, ratioRow, type Bench, type Findings, type Question } from "../question.ts";
import { Contestant, alternate, cpuUs, mediansTable } from "../tools/contestant.ts";
import { echoCall } from "../tools/load.ts";
import type { Era } from "../tools/mcp-client.ts";

/** What a call costs whose server is a local process. */
export const callsOverStdio: Question = {
  name: "calls-over-stdio",
  method:
    "As over HTTP, but the server is a child process that speaks newline-delimited JSON. The child's own time is not counted, neither the gateway's nor the bare stdio relay's. A legacy client has a session per connection, and the gateway gives each session a child of its own where the bare relay has one for all.",
  measure: (bench) => inBothEras((era) => measureEra(bench, era)),
};

async function measureEra(bench: Bench, era: Era): Promise<Findings> {
  const street = await bench.street();
  const { seconds } = bench;
  const relay = new Contestant("bare stdio relay", {
    endpoint: street.stdioRelay.endpoint(era),
    call: echoCall("up__echo"),
    pid: street.stdioRelay.pid,
    seconds,
  });
  const gateway = new Contestant("gateway", {
    endpoint: street.gateway.endpoint(era),
    call: echoCall(era === "modern" ? "stdio__echo" : "stdio-old__echo"),
    pid: street.gateway.pid,
    seconds,
  });
  await alternate([relay, gateway], bench.rounds);
  const row = ratioRow({
    figure: `CPU per call, stdio upstream, ${era}`,
    times: 1.6,
    of: "bare stdio relay",
    measured: `${gateway.median(cpuUs).toFixed(1)} µs`,
    yardstick: `${relay.median(cpuUs).toFixed(1)} µs`,
    ratio: gateway.ratio(relay, cpuUs),
  });
  return { rows: [row], details: mediansTable([relay, gateway]) };
}
