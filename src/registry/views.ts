import type {
  BundleDefinition,
  ServerDefinition,
  ServerOptions,
  CatalogStatus,
} from "../gateway/index.ts";
import { maskServer } from "./masking.ts";

/** A server as it may be shown: what is configured, secrets masked, and how it fares. */
export interface ServerView {
  name: string;
  origin: ServerDefinition["origin"];
  /** True for what the configuration file or the product defines. */
  readOnly: boolean;
  title?: string;
  options: ServerOptions;
  /** What a service still needs before it can be served. */
  needs?: readonly string[];
  /** Absent for the moment between a change and the gateway's first look at the server. */
  status?: CatalogStatus;
}

/** A bundle as it may be shown. */
export interface BundleView extends BundleDefinition {
  readOnly: boolean;
}

/** What may be shown of a server. */
export function viewOfServer(
  definition: ServerDefinition,
  status: CatalogStatus | undefined,
): ServerView {
  const { name, origin, options, service, needs } = definition;
  return {
    name,
    origin,
    readOnly: origin !== "store",
    ...(service?.title !== undefined && { title: service.title }),
    options: maskServer(options),
    ...(needs !== undefined && { needs }),
    ...(status !== undefined && { status }),
  };
}

/** What may be shown of a bundle. */
export function viewOfBundle(definition: BundleDefinition): BundleView {
  return { ...definition, readOnly: definition.origin !== "store" };
}
