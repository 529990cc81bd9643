import type { Tool } from "./tool.ts";

/** A set of tools under one name, served by the gateway as a server of its own. */
export interface Service {
  readonly name: string;
  readonly title?: string;
  readonly version: string;
  readonly description: string;
  readonly tools: readonly Tool[];
}

/** Puts tools together; throws where the name cannot be one or two tools have the same. */
export function defineService(definition: Service): Service {
  const { name, tools } = definition;
  if (!serviceName.test(name) || name.includes("__"))
    throw new TypeError(`"${name}" is not a service name: ${serviceNameRule}`);
  const seen = new Set<string>();
  for (const tool of tools) {
    if (seen.has(tool.name))
      throw new TypeError(`The service "${name}" has two tools "${tool.name}"`);
    seen.add(tool.name);
  }
  return Object.freeze({ ...definition, tools: Object.freeze([...tools]) });
}

const serviceName = /^[a-z0-9][a-z0-9_-]{0,31}$/;
const serviceNameRule =
  'use 1 to 32 of a-z, 0-9, "-" and "_", a letter or digit first, and no "__"';
