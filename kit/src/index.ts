export { defineService } from "./service.ts";
export type {
  PoolStatus,
  RateStatus,
  Service,
  ServiceDefinition,
  ServiceHealth,
  ServiceRuntime,
} from "./service.ts";
export { chosenName, defineSettings, isSecretSchema, secret, secretsIn } from "./settings.ts";
export type { EnvSetting, ServiceSettings } from "./settings.ts";
export { OpenService, openService } from "./open-service.ts";
export { defineTool, toolsOf } from "./tool.ts";
export type {
  Caller,
  JsonSchema,
  ScopeAction,
  Tool,
  ToolAnnotations,
  ToolContext,
  ToolDefinition,
  ToolExample,
} from "./tool.ts";
export { ToolError, ToolResult, failure, text, toolResult } from "./tool-result.ts";
export type { ContentBlock, FailureFacts, ToolResultParts } from "./tool-result.ts";
export { ServiceError } from "./service-error.ts";
export type { FailureKind, ServiceFailure } from "./service-error.ts";
export type { Fetch, FetchInit, ServiceContext, ServiceLog } from "./service-context.ts";
export { duration } from "./duration.ts";
export { orAborted, systemClock } from "./clock.ts";
export type { Clock } from "./clock.ts";
export { createRestClient, nextLink, path, RestClient, takeUpTo } from "./connect/rest-client.ts";
export type {
  FailedAnswer,
  PageOptions,
  RestClientOptions,
  RestRequest,
  RestResponse,
  RestVerdict,
} from "./connect/rest-client.ts";
export { GraphqlClient } from "./connect/graphql-client.ts";
export type {
  Connection,
  GraphqlClientOptions,
  GraphqlError,
  GraphqlRequest,
} from "./connect/graphql-client.ts";
export { createTokenProvider, staticToken } from "./connect/token-provider.ts";
export type { Token, TokenProvider, TokenProviderOptions } from "./connect/token-provider.ts";
export { RateLimiter } from "./connect/rate-limiter.ts";
export type { RateLimiterOptions, RatePlan, TakeOptions } from "./connect/rate-limiter.ts";
export { costReading, rateReadings } from "./connect/rate-headers.ts";
export type { RateReading } from "./connect/rate-headers.ts";
export { retryAfterMs } from "./connect/retry-after.ts";
export { masked, withoutFields } from "./connect/redact.ts";
