import { ratioRow, type Question } from "../question.ts";
import { Contestant, alternate, cpuUs, mediansTable } from "../tools/contestant.ts";
import { plainCall } from "../tools/load.ts";
import { McpClient, type Endpoint } from "../tools/mcp-client.ts";

const TOOL = "signalbox__server_status";
const ARGUMENTS = '{"name":"signalbox"}';

/** What a call costs that the gateway answers itself. */
export const callsInProcess: Question = {
  name: "calls-in-process",
  method:
    'The smallest built-in tool, `signalbox__server_status` with `{"name":"signalbox"}`, against a node:http server that parses the same kind of request and answers alone with a text of the same size. The built-in tool does some work of its own (it reads the states of all servers and checks its result against its schema), which the yardstick does not.',
  async measure(bench) {
    const street = await bench.street();
    const { seconds } = bench;
    const size = await resultBytes(street.gateway.endpoint("modern"));
    const alone = new Contestant("node:http alone", {
      endpoint: street.answer.endpoint("modern"),
      call: plainCall("echo", `{"text":"","size":${size}}`),
      pid: street.answer.pid,
      seconds,
    });
    const gateway = new Contestant("gateway", {
      endpoint: street.gateway.endpoint("modern"),
      call: plainCall(TOOL, ARGUMENTS),
      pid: street.gateway.pid,
      seconds,
    });
    await alternate([alone, gateway], bench.rounds);
    const row = ratioRow({
      figure: "CPU per call, built-in service in process",
      times: 2,
      of: "node:http answering alone",
      measured: `${gateway.median(cpuUs).toFixed(1)} µs`,
      yardstick: `${alone.median(cpuUs).toFixed(1)} µs`,
      ratio: gateway.ratio(alone, cpuUs),
    });
    const details = `The result has ${size} bytes.\n\n${mediansTable([alone, gateway])}`;
    return { rows: [row], details };
  },
};

async function resultBytes(endpoint: Endpoint): Promise<number> {
  const client = new McpClient(endpoint);
  const members = `"name":"${TOOL}","arguments":${ARGUMENTS}`;
  const result = await client.ask("tools/call", TOOL, members);
  await client.close();
  return JSON.stringify(result).length;
}
