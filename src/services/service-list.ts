// The services that come with the gateway. Their settings are read at every start; what else a service is made of is loaded
// when it is configured, so that one which is not costs nothing.
import type { ServiceDefinition, ServiceSettings } from "@signalbox/kit";
import { cloudflareSettings } from "./cloudflare/settings.ts";
import { githubSettings } from "./github/settings.ts";
import { mem0Settings } from "./mem0/settings.ts";
import { n8nSettings } from "./n8n/settings.ts";
import { neonSettings } from "./neon/settings.ts";
import { postgresSettings } from "./postgres/settings.ts";
import { railwaySettings } from "./railway/settings.ts";
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
    name: "postgres",
    title: "PostgreSQL",
    settings: postgresSettings,
    load: async () => (await import("./postgres/index.ts")).postgres,
  },
  {
    name: "github",
    title: "GitHub",
    settings: githubSettings,
    load: async () => (await import("./github/index.ts")).github,
  },
  {
    name: "cloudflare",
    title: "Cloudflare",
    settings: cloudflareSettings,
    load: async () => (await import("./cloudflare/index.ts")).cloudflare,
  },
  {
    name: "n8n",
    title: "n8n",
    settings: n8nSettings,
    load: async () => (await import("./n8n/index.ts")).n8n,
  },
  {
    name: "mem0",
    title: "Mem0",
    settings: mem0Settings,
    load: async () => (await import("./mem0/index.ts")).mem0,
  },
  {
    name: "neon",
    title: "Neon",
    settings: neonSettings,
    load: async () => (await import("./neon/index.ts")).neon,
  },
  {
    name: "railway",
    title: "Railway",
    settings: railwaySettings,
    load: async () => (await import("./railway/index.ts")).railway,
  },
  {
    name: "shopify",
    title: "Shopify",
    settings: shopifySettings,
    load: async () => (await import("./shopify/index.ts")).shopify,
  },
];
