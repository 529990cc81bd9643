export { ask, resultOf } from "./ask.ts";
export type { AskOptions } from "./ask.ts";
export type {
  ExchangeHandle,
  ExchangeSink,
  Lane,
  LaneCaller,
  LaneContext,
  LaneListener,
  OutboundRequest,
  TransportDeps,
} from "./lane.ts";
export { serverName, serverOptions } from "./server-options.ts";
export type { InProcessService, ServerDefinition, ServerOptions } from "./server-options.ts";
export type { LaneKey, SessionKey } from "./lane-slot.ts";
export type { ServerState, ServerStatus } from "./server-status.ts";
export { UpstreamServer } from "./upstream-server.ts";
export type {
  Introduction,
  UpstreamDeps,
  UpstreamEvents,
  UpstreamOptions,
} from "./upstream-server.ts";
