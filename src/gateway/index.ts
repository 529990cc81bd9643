export type { CatalogItem, CatalogView } from "./catalog-view.ts";
export type { AskedAction, Explanation, Question } from "./explain.ts";
export type { CallOutcome } from "./call-meters.ts";
export { cacheOptions, redisUrlOf, type CacheOptions } from "./cache/cache-options.ts";
export { openRedisStore } from "./cache/open-redis-store.ts";
export type { RedisStore } from "./cache/redis-store.ts";
export { ResultCache } from "./cache/result-cache.ts";
export { Gateway, type GatewayDeps } from "./gateway.ts";
export { openRedisRates } from "./redis/open-redis-rates.ts";
export type { RedisRates } from "./redis/redis-rates.ts";
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
export { mcpSurfaces } from "./surfaces.ts";
export type { CallRecord } from "./stages/record.ts";
export type { CatalogStatus } from "./server-catalog.ts";
export type { TestReport } from "./test-server.ts";
export { serverName } from "./names.ts";
export {
  LINK_STATES,
  guardOptions,
  isFailing,
  isOwnSecret,
  referencesIn,
  openlyReferring,
  referenceProblem,
  replaceReferences,
  secretNameShape,
  pinOptions,
  pinOptionsFor,
  serverOptions,
  withReferences,
  type GuardOptions,
  type Reference,
  type ReferenceKind,
  type PinOptions,
} from "../upstream/index.ts";
export type {
  InProcessService,
  ServerDefinition,
  ServerFacts,
  ServerOptions,
  ServerStatus,
  ServiceSettingsGiven,
} from "../upstream/index.ts";
