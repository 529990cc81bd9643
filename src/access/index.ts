export { authOptions } from "./auth-options.ts";
export type { AuthOptions } from "./auth-options.ts";
export { checkHost, hostOptions, hostPolicy } from "./host-policy.ts";
export type { HostOutcome, HostPolicy } from "./host-policy.ts";
export { hashKey, mintKey, prefixOf } from "./key.ts";
export type { KeyRecord } from "./key.ts";
export { KeyRing } from "./key-ring.ts";
export type { AuthOutcome } from "./key-ring.ts";
export { anonymous, mayUseBundle, roles } from "./principal.ts";
export type { Principal, Role } from "./principal.ts";
export { allows } from "./scope.ts";
export type { Scope } from "./scope.ts";
export { CallerLimits } from "./limits/caller-limits.ts";
export type {
  Allowance,
  CallerView,
  LimitedCaller,
  LimitRefusal,
  QuotaView,
  RateRefusal,
} from "./limits/caller-limits.ts";
export { keyLimits, quotaOptions, rateLimitOptions } from "./limits/limit-options.ts";
export type { KeyLimits, QuotaOptions, RateLimitOptions } from "./limits/limit-options.ts";
export { periodAt } from "./limits/periods.ts";
export type { QuotaLedger } from "./limits/quota-keeper.ts";
export type { RateLedger, RateTold } from "./limits/rate-limiter.ts";
