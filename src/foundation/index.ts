export { GATEWAY_ACTOR } from "./audit.ts";
export type { AuditActor, AuditEvent, AuditOrigin, AuditSink } from "./audit.ts";
export { errorTable, isSignalboxError, messageOf, SignalboxError } from "./errors.ts";
export type { ErrorBody, ErrorCode, ErrorEntry } from "./errors.ts";
export { newId, randomToken } from "./ids.ts";
export { manualClock, systemClock } from "./clock.ts";
export type { Clock, ManualClock } from "./clock.ts";
export { duration, formatDuration, isDuration } from "./durations.ts";
export { projectName } from "./project-name.ts";
export { Lifecycle, stopOnSignals } from "./lifecycle.ts";
export type { LifecycleState, Part } from "./lifecycle.ts";
export { createLog, logOptions, silentLog } from "./log.ts";
export type { Log, LogFields, LogLevel } from "./log.ts";
export { hideSecret, isSecretName, redact, redactText } from "./redact.ts";
export { CONFIGURED_SERIES_MAX, gatewayBuckets, Metrics } from "./metrics.ts";
export type {
  Counter,
  CounterSlot,
  Gauge,
  GaugeSlot,
  Histogram,
  HistogramSlot,
} from "./metrics.ts";
export { metricsOptions } from "./metrics-options.ts";
export { processMetrics } from "./process-metrics.ts";
export { writePrivateFile } from "./private-file.ts";
export { HeldBytes, HeldShare, UNCOUNTED_BYTES } from "./held-bytes.ts";
export { isWorldReadable, keepPrivate } from "./private-folder.ts";
export { readSecretFile, type SecretFile } from "./secret-file.ts";
export { repeat } from "./repeat.ts";
export { releaseStartMemory } from "./memory.ts";
export { Emitter } from "./events.ts";
export { parseTraceparent } from "./trace.ts";
export type { TraceParent } from "./trace.ts";
