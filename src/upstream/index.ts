export { ask, resultOf } from "./ask.ts";
export type { AskOptions } from "./ask.ts";
export { modernMeta } from "./era-probe.ts";
export type {
  ExchangeHandle,
  ExchangeSink,
  Lane,
  LaneContext,
  LaneListener,
  OutboundRequest,
  TransportDeps,
} from "./lane.ts";
export { serverName, serverOptions } from "./server-options.ts";
export type { InProcessService, ServerDefinition, ServerOptions } from "./server-options.ts";
