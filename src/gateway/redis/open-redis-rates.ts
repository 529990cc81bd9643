import type { RedisRates } from "./redis-rates.ts";

/** Rates counted in Redis; its library is heavy, and loaded only where an address is configured. */
export async function openRedisRates(
  ...given: ConstructorParameters<typeof RedisRates>
): Promise<RedisRates> {
  const { RedisRates: Rates } = await import("./redis-rates.ts");
  const rates = new Rates(...given);
  rates.start();
  return rates;
}
