export {
  LINK_STATES,
  PINNED_KINDS,
  bundleOptions,
  isFailing,
  serverOptions,
} from "../gateway/index.ts";
export type {
  BundleOptions,
  CatalogView,
  ServerFacts,
  ServerOptions,
  ServerStatus,
  TestReport,
} from "../gateway/index.ts";
export type { KeyView, NewKey } from "./key-input.ts";
export type { DefinitionTable, RegistryGateway, RegistryStore, StoredDefinition } from "./ports.ts";
export { pinStates, type PinKey, type PinState } from "./pins/pin.ts";
export { severities } from "./pins/lint/finding.ts";
export { Pins } from "./pins/pins.ts";
export type { PinDetailView, PinView } from "./pins/pins.ts";
export { Registry } from "./registry.ts";
export type { RegistryDeps } from "./registry.ts";
export type { BundleView, ServerView } from "./views.ts";
