// A gateway as small as it can be, for the tests of the reaper: it opens one stubborn server, prints the
// process ids, and waits to be killed, or closes the server when its input ends.
import process from "node:process";
import { fileURLToPath } from "node:url";
import { silentLog, systemClock } from "../../foundation/index.ts";
import { reaper } from "./reaper.ts";
import { open } from "./stdio.ts";

const server = fileURLToPath(new URL("./fake-stdio-server.ts", import.meta.url));
const lane = await open(
  {
    command: process.execPath,
    args: [server, "legacy", "ignores-eof", "ignores-term", "grandchild"],
    protocol_era: "legacy",
  },
  { clientInfo: { name: "test", version: "1" }, capabilities: {}, shared: true },
  { notification() {}, request() {}, closed() {} },
  {
    log: silentLog,
    clock: systemClock,
    responseBytesMax: 1_000_000,
    inspectBytesMax: 1_000_000,
    connectTimeoutMs: 20_000,
    closeGraceMs: 200,
  },
);

lane.send(
  {
    message: { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "environment" } },
    timeoutMs: 20_000,
  },
  {
    answer(body) {
      const grandchild = Number(/"grandchild":(\d+)/.exec(body.toString())?.[1]);
      const pids = { child: lane.pid, grandchild, reaper: reaper.pid };
      process.stdout.write(`${JSON.stringify(pids)}\n`);
    },
    fail(error) {
      throw error;
    },
    message() {},
    begin() {},
    chunk: () => true,
    end() {},
  },
);

process.stdin.resume();
process.stdin.on("end", () => void lane.close());
