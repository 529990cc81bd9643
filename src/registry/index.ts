export { LINK_STATES, bundleOptions, isFailing, serverOptions } from "../gateway/index.ts";
export type {
  BundleOptions,
  CatalogView,
  ServerFacts,
  ServerOptions,
  ServerStatus,
  TestReport,
} from "../gateway/index.ts";
export { KeyLimitBook } from "./key-limits.ts";
export type { KeyLimitStore } from "./key-limits.ts";
export type { KeyView, NewKey } from "./key-input.ts";
export type { DefinitionTable, RegistryGateway, RegistryStore, StoredDefinition } from "./ports.ts";
export { Registry } from "./registry.ts";
export type { RegistryDeps } from "./registry.ts";
export type { BundleView, ServerView } from "./views.ts";
