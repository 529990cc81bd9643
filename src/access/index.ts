export { authOptions } from "./auth-options.ts";
export type { AuthOptions } from "./auth-options.ts";
export { Denials } from "./denials.ts";
export type { Denial } from "./denials.ts";
export { encryptionKeyFile, loadEncryptionKeys, secretOptions } from "./encryption-keys.ts";
export { checkHost, hostOptions, hostPolicy } from "./host-policy.ts";
export type { HostOutcome, HostPolicy } from "./host-policy.ts";
export { hashKey, mintKey, prefixOf } from "./key.ts";
export type { KeyRecord } from "./key.ts";
export { KeyRing } from "./key-ring.ts";
export type { AuthOutcome } from "./key-ring.ts";
export { climbs, couldMatchServer, matchesAny, spellings, toPattern } from "./name-pattern.ts";
export type { NamePattern } from "./name-pattern.ts";
export { Permissions } from "./permissions.ts";
export type { Owned } from "./permissions.ts";
export type { AccessItem, AccessRequest, Action, Decision, PolicyEngine } from "./policy.ts";
export { allows, callsSeenBy, isPrincipal, mayUseBundle } from "./principal.ts";
export type { Grant, Principal, PrincipalKind } from "./principal.ts";
export { defaultProject, everyProject, projectOf, projectOptions } from "./project.ts";
export type { ProjectOptions } from "./project.ts";
export { builtinRoleNames, builtinRoles, roleName, roleOptions } from "./role.ts";
export type { BuiltinRole, RoleOptions } from "./role.ts";
export { Roles, anonymous } from "./roles.ts";
export { ruleActions, ruleOptions, rulesOptions } from "./rule.ts";
export type { Rule } from "./rule.ts";
export { scopes } from "./scope.ts";
export type { Scope } from "./scope.ts";
export type { Surface } from "./surface.ts";
export { refuseWeakSecrets } from "./start-secrets.ts";
export type { StartSecrets } from "./start-secrets.ts";
export { Vault, keyIdOfSealed } from "./vault.ts";
export type { Sealer } from "./vault.ts";
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
