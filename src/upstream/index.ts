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
export type { Credentials } from "./credentials.ts";
export { breakerStates } from "./guard/breaker.ts";
export { guardOptions, type GuardOptions } from "./guard-options.ts";
export { serverCacheOptions, type ServerCacheOptions } from "./server-cache-options.ts";
export { pinOptions, pinOptionsFor, type PinOptions } from "./pin-options.ts";
export {
  isOwnSecret,
  openlyReferring,
  referenceProblem,
  referencesIn,
  replaceReferences,
} from "./reference.ts";
export { secretNameShape, type Reference, type ReferenceKind } from "./reference.ts";
export { serverName, serverOptions, withReferences } from "./server-options.ts";
export type { InProcessService, ServerDefinition, ServerOptions } from "./server-options.ts";
export type { LaneKey, SessionKey } from "./lane-slot.ts";
export { factsOf, type ServerFacts } from "./server-facts.ts";
export { LINK_STATES, isFailing } from "./server-status.ts";
export type { LinkState, ServerState, ServerStatus } from "./server-status.ts";
export { UpstreamServer } from "./upstream-server.ts";
export type { Parcel } from "./delivery.ts";
export type { Introduction } from "./link.ts";
export { Processes } from "./processes/processes.ts";
export { ReconnectRate } from "./reconnect-rate.ts";
export type {
  LinkChange,
  UpstreamDeps,
  UpstreamEvents,
  UpstreamOptions,
} from "./upstream-server.ts";
