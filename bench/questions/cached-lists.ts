import { limitRow, type Question } from "../question.ts";
import { startGateway } from "../tools/gateway.ts";
import { listCall } from "../tools/load.ts";
import { Contestant, alternate, cpuUs, mediansTable } from "../tools/contestant.ts";
import { McpClient, memberOf } from "../tools/mcp-client.ts";
import { startUpstream } from "../tools/upstream.ts";

const SERVERS = 20;
/** The upstream has two tools of its own. */
const FILLERS = 48;
const CONNECTIONS = 4;

/** What a list of a thousand tools costs that is already known. */
export const cachedLists: Question = {
  name: "cached-lists",
  method:
    "`tools/list` of 1,000 tools over 20 servers of 50, each with a `ttlMs` of an hour, modern, 4 connections, after the list has been fetched once. Processor time of the gateway per list.",
  async measure(bench) {
    const upstream = await startUpstream(bench.upstream, FILLERS);
    const names = Array.from({ length: SERVERS }, (_, index) => `s${index}`);
    const gateway = await startGateway({
      servers: Object.fromEntries(names.map((name) => [name, { url: upstream.url }])),
    });
    try {
      const client = new McpClient(gateway.endpoint("modern"));
      const list = await client.ask("tools/list", undefined, "");
      await client.close();
      const tools = memberOf(list, "tools");
      const count = Array.isArray(tools) ? tools.length : 0;
      const bytes = JSON.stringify(list).length;
      const lists = new Contestant("gateway", {
        endpoint: gateway.endpoint("modern"),
        call: listCall(bytes),
        pid: gateway.pid,
        connections: CONNECTIONS,
        seconds: bench.seconds,
      });
      await alternate([lists], bench.rounds);
      const row = limitRow({
        figure: "CPU per tools/list of 1,000 tools over 20 servers, from cache",
        max: 3,
        unit: "ms",
        digits: 3,
        measured: lists.median(cpuUs) / 1000,
      });
      const details = `The first page has ${count} tools in ${(bytes / 1024).toFixed(0)} KiB.\n\n${mediansTable([lists])}`;
      return { rows: [row], details };
    } finally {
      await gateway.stop();
      await upstream.stop();
    }
  },
};
