export type { CatalogItem, CatalogView } from "./catalog-view.ts";
export type { CallOutcome } from "./call-meters.ts";
export { cacheOptions, redisUrlOf, type CacheOptions } from "./cache/cache-options.ts";
export { openRedisStore } from "./cache/open-redis-store.ts";
export type { RedisStore } from "./cache/redis-store.ts";
export { ResultCache } from "./cache/result-cache.ts";
export { Gateway, type GatewayDeps } from "./gateway.ts";
export { createListener, listen, type ListenerOptions } from "./listener.ts";
export {
  bundleName,
  bundleOptions,
  limitOptions,
  type BundleDefinition,
  type BundleOptions,
  type Limits,
} from "./options.ts";
export { PINNED_KINDS } from "./pins.ts";
export type { Admitted, Held, PinGuard, PinnedKind, Sight } from "./pins.ts";
export type { GatewayConfiguration } from "./snapshot.ts";
export type { CallRecord } from "./stages/record.ts";
export type { TestReport } from "./test-server.ts";
export { serverName } from "./names.ts";
export {
  LINK_STATES,
  guardOptions,
  isFailing,
  pinOptions,
  pinOptionsFor,
  serverOptions,
  type GuardOptions,
  type PinOptions,
} from "../upstream/index.ts";
export type {
  InProcessService,
  ServerDefinition,
  ServerFacts,
  ServerOptions,
  ServerStatus,
} from "../upstream/index.ts";
