// What of the services is configured, and how those that are fare. A service is opened once for the same settings, so that
// a configuration that is read again leaves its connections alone; the gateway closes what it no longer serves.
import {
  openService,
  secretsIn,
  type OpenService,
  type PoolStatus,
  type RateStatus,
  type Service,
  type ServiceContext,
  type ServiceDefinition,
  type ServiceHealth,
} from "@signalbox/kit";
import { builtinServices, type BuiltinService } from "./service-list.ts";

/** What the gateway gives a service. */
export interface ServiceShelfDeps {
  readonly services?: readonly BuiltinService[];
  /** What a service is given: `places` are the origins that its settings name, `secrets` what must be masked. */
  contextOf(
    name: string,
    settings: { readonly places: readonly string[]; readonly secrets: readonly string[] },
  ): Omit<ServiceContext, "signal" | "secrets">;
  now(): number;
}

/** A service as it is configured. */
export interface ConfiguredService {
  readonly name: string;
  /** Stands in until the settings are complete. */
  readonly service: Service;
  /** What it still needs; absent where it is configured. */
  readonly needs?: readonly string[];
  readonly settings?: {
    readonly values: Readonly<Record<string, unknown>>;
    open(values: Readonly<Record<string, unknown>>): Service;
  };
}

export interface ServiceFacts {
  /** Whether anything was asked of it since it was opened. */
  readonly connected: boolean;
  /** What it last said of itself, and when (epoch milliseconds). */
  readonly health?: ServiceHealth & { readonly at: number };
  readonly rates: readonly RateStatus[];
}

interface Opened {
  readonly key: string;
  readonly service: OpenService;
  health?: ServiceHealth & { readonly at: number };
}

/** The services of one gateway. */
export class ServiceShelf {
  readonly #deps: ServiceShelfDeps;
  readonly #services: readonly BuiltinService[];
  readonly #opened = new Map<string, Opened>();

  constructor(deps: ServiceShelfDeps) {
    this.#deps = deps;
    this.#services = deps.services ?? builtinServices;
  }

  /** Every service with its table of settings; loads what is configured. */
  async configure(
    tables: Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>,
  ): Promise<ConfiguredService[]> {
    return await Promise.all(
      this.#services.map((service) => this.#configured(service, tables[service.name] ?? {})),
    );
  }

  /** How a service fares; undefined where it is not open. */
  facts(name: string): ServiceFacts | undefined {
    const opened = this.#opened.get(name);
    if (opened === undefined) return undefined;
    const { service, health } = opened;
    return {
      connected: service.connected,
      ...(health !== undefined && { health }),
      rates: service.rateStatus(),
    };
  }

  /** Asks every service that was used how it is. */
  async checkHealth(signal: AbortSignal): Promise<void> {
    await Promise.all(
      [...this.#opened.values()].map(async (opened) => {
        const within = AbortSignal.any([signal, AbortSignal.timeout(healthTimeoutMs)]);
        const health = await opened.service.health(within);
        if (health === undefined) delete opened.health;
        else opened.health = { ...health, at: this.#deps.now() };
      }),
    );
  }

  /** Those that said they are not well when they were last asked. */
  unwell(): { name: string; health: ServiceHealth }[] {
    return [...this.#opened].flatMap(([name, { health }]) =>
      health === undefined || health.status === "ok" ? [] : [{ name, health }],
    );
  }

  /** The pools of connections of all services. */
  pools(): readonly PoolStatus[] {
    return [...this.#opened.values()].flatMap(({ service }) => service.pools());
  }

  async #configured(
    entry: BuiltinService,
    table: Readonly<Record<string, unknown>>,
  ): Promise<ConfiguredService> {
    const { name, title, settings } = entry;
    const standIn: Service = { name, title, version: "0", description: "", tools: [] };
    const own = Object.keys(settings.options.shape);
    const values = Object.fromEntries(Object.entries(table).filter(([key]) => own.includes(key)));
    const needs = settings.missing(settings.options.parse(values));
    if (needs.length > 0) {
      this.#opened.delete(name);
      return { name, service: standIn, needs };
    }
    const definition = await entry.load();
    return {
      name,
      service: standIn,
      settings: { values, open: (filled) => this.#open(definition, filled) },
    };
  }

  #open(definition: ServiceDefinition, values: Readonly<Record<string, unknown>>): Service {
    const { name, settings } = definition;
    const key = JSON.stringify(values);
    const known = this.#opened.get(name);
    if (known?.key === key) return known.service;
    const secrets = secretsIn(settings.options, values);
    const context = this.#deps.contextOf(name, { places: placesIn(values), secrets });
    const service = openService(definition, values, context);
    this.#opened.set(name, { key, service });
    return service;
  }
}

/** The origins of all addresses in a table of settings. */
function placesIn(value: unknown): string[] {
  if (typeof value === "string") {
    const url = /^https?:\/\//i.test(value) ? URL.parse(value) : null;
    return url === null ? [] : [url.origin];
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(placesIn);
}

const healthTimeoutMs = 10_000;
