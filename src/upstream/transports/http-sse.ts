import type { Lane, LaneContext, LaneListener, TransportDeps } from "../lane.ts";
import type { ServerOptions } from "../server-options.ts";
import { failureOf } from "./http-failure.ts";

export async function open(
  _options: Pick<ServerOptions, "url" | "headers" | "roots">,
  _context: LaneContext,
  _listener: LaneListener,
  deps: TransportDeps,
): Promise<Lane> {
  throw failureOf(deps.serverName ?? "server", "SERVER_REFUSED", "speaks no known transport");
}
