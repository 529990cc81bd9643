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
export type { AuthMethod, AuthOutcome, AuthRefusal } from "./auth-outcome.ts";
export { fetchJson } from "./fetch-json.ts";
export type { FetchJson } from "./fetch-json.ts";
export { LockOut } from "./lock-out.ts";
export { climbs, couldMatchServer, matchesAny, spellings, toPattern } from "./name-pattern.ts";
export type { NamePattern } from "./name-pattern.ts";
export { networkBypass } from "./network-bypass.ts";
export type { NetworkBypass } from "./network-bypass.ts";
export { Permissions } from "./permissions.ts";
export type { Owned } from "./permissions.ts";
export type { AccessItem, AccessRequest, Action, Decision, PolicyEngine } from "./policy.ts";
export { Connections } from "./oauth-client/connections.ts";
export { connectOutcomes } from "./oauth-client/connections.ts";
export type {
  ConnectLink,
  ConnectionView,
  ConnectResult,
  PageView,
} from "./oauth-client/connections.ts";
export { connectionOptions } from "./oauth-client/connection-options.ts";
export { lateConnectionStore } from "./oauth-client/connection-store.ts";
export type { ConnectionStore } from "./oauth-client/connection-store.ts";
export { sealedClients, sealedFlows, sealedTokens } from "./oauth-client/sealed-places.ts";
export type { ProtectedServer } from "./oauth-client/settings.ts";
export { wishOf } from "./oauth-client/tickets.ts";
export type { Wish } from "./oauth-client/tickets.ts";
export { createSealer, textSealer } from "./sealer.ts";
export { OutboundFetch } from "./outbound-fetch.ts";
export { OutboundGuard, outboundOptions } from "./outbound-guard.ts";
export {
  actorOf,
  allows,
  allowsOverApi,
  callsSeenBy,
  isPrincipal,
  mayUseBundle,
} from "./principal.ts";
export type { Grant, Principal, PrincipalKind } from "./principal.ts";
export { defaultProject, everyProject, projectOf, projectOptions } from "./project.ts";
export type { ProjectOptions } from "./project.ts";
export { RefusalReports } from "./refusal-reports.ts";
export { bearerTokens } from "./resource-server/bearer-tokens.ts";
export type { BearerTokens } from "./resource-server/bearer-tokens.ts";
export { issueToken } from "./resource-server/issued-token.ts";
export type { WantedToken } from "./resource-server/issued-token.ts";
export { looksSigned } from "./resource-server/signed-token.ts";
export { apiScopeOf, challengeScopes } from "./resource-server/oauth-scopes.ts";
export type { ApiScope, McpScope } from "./resource-server/oauth-scopes.ts";
export { API_PLACE, ProtectedResources } from "./resource-server/protected-resources.ts";
export { anyRoleName, builtinRoleNames, builtinRoles, roleName, roleOptions } from "./role.ts";
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
