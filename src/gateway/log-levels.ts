/** How urgent a log message is, from the least to the most. */
export const LOG_LEVELS: readonly string[] = [
  "debug",
  "info",
  "notice",
  "warning",
  "error",
  "critical",
  "alert",
  "emergency",
];

/** Whether a message of `level` is wanted by who asked for `wanted` and above; one without a level always is. */
export function reachesLevel(level: unknown, wanted: string): boolean {
  return typeof level !== "string" || LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(wanted);
}
