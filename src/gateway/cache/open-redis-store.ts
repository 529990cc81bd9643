import type { RedisStore, RedisStoreDeps, RedisStoreOptions } from "./redis-store.ts";

/** A level behind the cache's memory; its library is heavy, and loaded only where an address is configured. */
export async function openRedisStore(
  options: RedisStoreOptions,
  deps: RedisStoreDeps,
): Promise<RedisStore> {
  const { RedisStore: Store } = await import("./redis-store.ts");
  const store = new Store(options, deps);
  store.start();
  return store;
}
