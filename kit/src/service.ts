import type { z } from "zod";
import type { ServiceContext } from "./service-context.ts";
import type { ServiceSettings } from "./settings.ts";
import type { Tool } from "./tool.ts";

/** A set of tools under one name, served by the gateway as a server of its own. */
export interface Service {
  readonly name: string;
  readonly title?: string;
  readonly version: string;
  /** What it is for: a server's instructions, which models read. */
  readonly description: string;
  readonly tools: readonly Tool[];
  /** Held as long as somebody may call the tools; what the service has open is closed when the last one lets go. */
  hold?(): AsyncDisposable;
}

/** A service with settings and something to connect to. */
export interface ServiceDefinition<
  Options extends z.ZodObject = z.ZodObject,
  Runtime extends ServiceRuntime = ServiceRuntime,
> {
  /** 1 to 32 of a-z, 0-9, "-" and "_", without "__": the prefix of its tools' public names. */
  readonly name: string;
  readonly title?: string;
  readonly version: string;
  readonly description: string;
  readonly settings: ServiceSettings<Options>;
  readonly tools: readonly Tool<Runtime>[];
  /**
   * Makes what the tools work with. Called at the first call, and anew after it failed; must not wait for the vendor unless
   * nothing can be done without it.
   */
  connect(options: z.output<Options>, context: ServiceContext): Runtime | Promise<Runtime>;
}

/** What `connect` makes, and every tool has as `context.runtime`. */
export interface ServiceRuntime {
  /** Asks the vendor, in seconds rather than minutes, whether it would answer. */
  health?(signal: AbortSignal): Promise<ServiceHealth>;
  /** What is left of the vendor's limits. */
  rateStatus?(): readonly RateStatus[];
  /** The connections it keeps, for the metrics. */
  pools?(): readonly PoolStatus[];
  close?(): Promise<void>;
}

/** A pool of connections. */
export interface PoolStatus {
  /** Unique within the service: a database's name. */
  readonly name: string;
  readonly inUse: number;
  readonly idle: number;
  /** Calls that wait for a connection. */
  readonly waiting: number;
}

export interface ServiceHealth {
  readonly status: "ok" | "degraded" | "down";
  /** Why it is not ok, without secrets. */
  readonly message?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** One of a vendor's limits, as far as it is known. */
export interface RateStatus {
  /** Whose limit: an organisation, an operation; "default" where there is one for all. */
  readonly key: string;
  /** Which of its limits: "minute", "day", "points". */
  readonly name: string;
  readonly limit: number;
  readonly remaining: number;
  /** When it is whole again, epoch milliseconds. */
  readonly resetsAt?: number;
  /** Requests under way and waiting. */
  readonly inFlight: number;
  readonly waiting: number;
}

/** Puts a service together. Throws TypeError where the name cannot be one or two tools have the same. */
export function defineService<Options extends z.ZodObject, Runtime extends ServiceRuntime>(
  definition: ServiceDefinition<Options, Runtime>,
): ServiceDefinition<Options, Runtime>;
export function defineService(definition: Service): Service;
export function defineService<T extends Pick<Service, "name"> & { tools: readonly Tool<never>[] }>(
  definition: T,
): T {
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
