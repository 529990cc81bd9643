/** The wait a `Retry-After` asks for, in milliseconds: seconds or an HTTP date (RFC 9110, 10.2.3); undefined where it says neither. */
export function retryAfterMs(value: string | null, nowMs: number): number | undefined {
  const text = value?.trim() ?? "";
  if (/^\d+(\.\d+)?$/.test(text)) return Math.min(Number(text) * 1000, waitMsMax);
  // Only what is written as a date: `Date.parse` takes many a text for one.
  if (!/^[A-Za-z]{3,9},? /.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.min(Math.max(0, at - nowMs), waitMsMax);
}

/** Nobody waits longer than a day for what a header says. */
const waitMsMax = 86_400_000;
