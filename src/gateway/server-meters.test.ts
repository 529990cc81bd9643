import { expect, test } from "vitest";
import { Metrics, manualClock, silentLog } from "../foundation/index.ts";
import { UpstreamServer } from "../upstream/index.ts";
import { builtin, serviceOf } from "./running-gateway.ts";
import { ServerMeters } from "./server-meters.ts";

function serverNamed(name: string): UpstreamServer {
  return new UpstreamServer(builtin(serviceOf(name, "echo")), {
    log: silentLog,
    clock: manualClock(),
    options: { clientInfo: { name: "tests", version: "1" } },
  });
}

test("a removed server's series are gone from the next scrape, and its late closing brings none back", async () => {
  const metrics = new Metrics();
  const [kept, removed] = [serverNamed("kept"), serverNamed("removed")];
  let servers = [kept, removed];
  const meters = new ServerMeters(metrics, manualClock(), () => servers);
  for (const server of servers) {
    meters.watch(server);
    await server.lane({ kind: "shared" }, AbortSignal.timeout(5_000));
  }
  const before = await metrics.render();
  expect(before).toContain(
    'mcp_upstream_up{server_id="removed",transport="in-process",enabled="true"} 1',
  );
  expect(before).toContain('mcp_connection_pool_size{server_id="removed",pool="upstream"} 1');
  expect(before).toContain('mcp_connections_total{server_id="removed",status="connected"} 1');

  servers = [kept];
  expect(await metrics.render()).not.toContain('"removed"');
  await removed.close();
  const after = await metrics.render();
  expect(after).not.toContain('"removed"');
  expect(after).toContain(
    'mcp_upstream_up{server_id="kept",transport="in-process",enabled="true"} 1',
  );
  await kept.close();
});

test("a server that is switched off is shown as such, and as on once it is", async () => {
  const metrics = new Metrics();
  const server = serverNamed("one");
  let servers: UpstreamServer[] = [];
  const disabled = (): string[] => (servers.length === 0 ? ["one"] : []);
  const meters = new ServerMeters(metrics, manualClock(), () => servers, disabled);
  const up = async (): Promise<string[]> =>
    (await metrics.render()).split("\n").filter((line) => line.startsWith("mcp_upstream_up{"));
  const off = 'mcp_upstream_up{server_id="one",transport="",enabled="false"} 0';
  const on = 'mcp_upstream_up{server_id="one",transport="in-process",enabled="true"} 1';
  expect(await up()).toEqual([off]);
  servers = [server];
  meters.watch(server);
  await server.lane({ kind: "shared" }, AbortSignal.timeout(5_000));
  expect(await up()).toEqual([on]);
  servers = [];
  expect(await up()).toEqual([off]);
  await server.close();
});
