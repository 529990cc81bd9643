export { DURATION_MAX_MS, duration, formatDuration, isDuration } from "@signalbox/kit/duration";
