import { newId } from "../foundation/index.ts";

/** The caller's `X-Request-Id` when it is short and harmless in a log, else a new one. */
export function requestIdOf(given: string | undefined): string {
  return given !== undefined && harmless.test(given) ? given : newId("req");
}

const harmless = /^[A-Za-z0-9._-]{1,64}$/;
