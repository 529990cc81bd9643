// The services that come with the gateway. Their settings are read at every start; what else a service is made of is loaded
// when it is configured, so that one which is not costs nothing.
import type { ServiceDefinition, ServiceSettings } from "@signalbox/kit";
import { shopifySettings } from "./shopify/settings.ts";

/** A service of the gateway, before anything of it but its settings is loaded. */
export interface BuiltinService {
  readonly name: string;
  readonly title: string;
  readonly settings: ServiceSettings;
  load(): Promise<ServiceDefinition>;
}

export const builtinServices: readonly BuiltinService[] = [
  {
    name: "shopify",
    title: "Shopify",
    settings: shopifySettings,
    load: async () => (await import("./shopify/index.ts")).shopify,
  },
];
