export { databaseOptions } from "./database-options.ts";
export type { DatabaseOptions } from "./database-options.ts";
export { openStore } from "./store.ts";
export type { OpenStoreOptions, Store } from "./store.ts";
export type { PoolUse } from "./database.ts";
export type { Definitions, StoredDefinition } from "./definitions.ts";
export type { KeyRow, Keys } from "./keys.ts";
export type { CallFilter, CallOutcome, CallRow, Calls } from "./calls.ts";
export type { Settings } from "./settings.ts";
