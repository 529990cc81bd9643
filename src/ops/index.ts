export { BatchQueue } from "./batch-queue.ts";
export { CallLog } from "./call-log.ts";
export { HealthChecks } from "./health-checks.ts";
export type { Check, CheckOptions, CheckResult, CheckStatus } from "./health-checks.ts";
export { databaseCheck, diskSpaceCheck } from "./standard-checks.ts";
