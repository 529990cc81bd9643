export { builtinServices } from "./service-list.ts";
export type { BuiltinService } from "./service-list.ts";
export { ServiceShelf } from "./service-shelf.ts";
export type { ConfiguredService, ServiceFacts, ServiceShelfDeps } from "./service-shelf.ts";
