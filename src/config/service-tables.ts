// [services.<name>]: what the service itself has to be told, and beside it what can be said of any server.
import { z } from "zod";
import { serverOptions, type ServerOptions } from "../gateway/index.ts";
import { builtinServices } from "../services/index.ts";

const { shape } = serverOptions;

/** What can be said of a service as of any server: of those options, the ones that are about calls and not about how it is reached. */
const servedOptions = z.strictObject({
  enabled: shape.enabled,
  project: shape.project,
  timeout: shape.timeout,
  list_timeout: shape.list_timeout,
  annotations: shape.annotations,
  retry_policy: shape.retry_policy,
  circuit_breaker: shape.circuit_breaker,
  bulkhead: shape.bulkhead,
  cache: shape.cache,
  pins: shape.pins,
});

/** Settings that no service may have under another meaning. */
export const servedNames: readonly string[] = Object.keys(servedOptions.shape);

type ServedOptions = z.output<typeof servedOptions>;

/** One table; what the service itself defines is checked by its own schema. */
export type ServiceTable = ServedOptions & Readonly<Record<string, unknown>>;

/** Every service's table by its name. */
export const serviceTables: z.ZodType<Partial<Record<string, ServiceTable>>, object> & z.ZodObject =
  z.strictObject(
    Object.fromEntries(
      builtinServices.map(({ name, settings }) => [
        name,
        z.strictObject({ ...servedOptions.shape, ...settings.options.shape }).optional(),
      ]),
    ),
  );

/** Of a service's table the options of the server it is served as. */
export function servedAs(table: ServiceTable | undefined): ServerOptions {
  return Object.fromEntries(
    Object.entries(table ?? {}).filter(
      ([name, value]) => servedNames.includes(name) && value !== undefined,
    ),
  );
}
