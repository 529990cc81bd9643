export {
  LINK_STATES,
  PINNED_KINDS,
  bundleOptions,
  isFailing,
  serverOptions,
} from "../gateway/index.ts";
export type {
  AskedAction,
  BundleOptions,
  CatalogView,
  Explanation,
  Question,
  ServerFacts,
  ServerOptions,
  CatalogStatus,
  TestReport,
} from "../gateway/index.ts";
export { maskServer } from "./masking.ts";
export { KeyLimitBook } from "./key-limits.ts";
export type { KeyLimitStore } from "./key-limits.ts";
export type { KeyView, NewKey } from "./key-input.ts";
export type { DefinitionTable, RegistryGateway, RegistryStore, StoredDefinition } from "./ports.ts";
export { pinStates, type PinKey, type PinState } from "./pins/pin.ts";
export { severities } from "./pins/lint/finding.ts";
export { Pins } from "./pins/pins.ts";
export type { PinDecider, PinDetailView, PinView } from "./pins/pins.ts";
export { Registry } from "./registry.ts";
export type { RegistryDeps } from "./registry.ts";
export type { ProjectView } from "./projects.ts";
export type { RoleView } from "./role-book.ts";
export type { SecretName, SecretView } from "./secret-record.ts";
export type { Resealing } from "./resealing.ts";
export type { BundleView, ServerView } from "./views.ts";
