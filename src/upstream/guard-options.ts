import { z } from "zod";
import { balanceOptions } from "./balance/balance-options.ts";
import { connectionPoolOptions } from "./connection-pool-options.ts";
import { breakerOptions } from "./guard/breaker.ts";
import { bulkheadOptions } from "./guard/bulkhead.ts";
import { retryOptions } from "./guard/retry-options.ts";

/** What guards the calls to every server, as sections of the configuration; a server's own sections go before them. */
export const guardOptions = z.strictObject({
  connection_pool: connectionPoolOptions.prefault({}),
  load_balancer: balanceOptions.prefault({}),
  retry_policy: retryOptions.prefault({}),
  circuit_breaker: breakerOptions.prefault({}),
  bulkhead: bulkheadOptions.prefault({}),
});

export type GuardOptions = z.output<typeof guardOptions>;

export const guardDefaults: GuardOptions = guardOptions.parse({});

/** The settings for all servers, those that one server sets itself before them. */
export function settingsOf<T extends object>(
  all: T,
  own: { readonly [K in keyof T]?: T[K] | undefined } | undefined,
): T {
  if (own === undefined) return all;
  const set = Object.entries(own).filter(([, value]) => value !== undefined);
  return { ...all, ...Object.fromEntries(set) };
}
