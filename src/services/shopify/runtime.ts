import {
  createRestClient,
  createTokenProvider,
  GraphqlClient,
  ServiceError,
  staticToken,
  ToolError,
  toolsOf,
  type Fetch,
  type ServiceContext,
  type ServiceRuntime,
  type TokenProvider,
} from "@signalbox/kit";
import { z } from "zod";
import type { shopifySettings } from "./settings.ts";

type Options = z.output<typeof shopifySettings.options>;

/** What every tool has as `context.runtime`. */
export interface Shopify extends ServiceRuntime {
  readonly graphql: GraphqlClient;
  /** Data of an operation in a known form. Throws ServiceError. */
  ask<Schema extends z.ZodType>(asked: Asked, schema: Schema): Promise<z.output<Schema>>;
}

export interface Asked {
  readonly document: string;
  readonly variables?: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
  readonly safe?: boolean;
}

/** `defineTool` for this service. */
export const tool = toolsOf<Shopify>();

/** Called once, before the first call. */
export function connect(options: Options, context: ServiceContext): Shopify {
  const baseUrl = options.url ?? `https://${options.shop ?? ""}.myshopify.com`;
  const version = { fellTo: undefined as string | undefined };
  // The answer tells which version was used: an old one that has ended is answered by a newer one.
  const watched: Fetch = async (url, init) => {
    const response = await context.fetch(url, init);
    const used = response.headers.get("x-shopify-api-version");
    if (used !== null) version.fellTo = used === options.api_version ? undefined : used;
    return response;
  };
  const rest = createRestClient({
    ...context,
    fetch: watched,
    vendor: "Shopify",
    baseUrl,
    auth: {
      tokens: tokensOf(options, baseUrl, context),
      header: "x-shopify-access-token",
      prefix: "",
    },
    timeoutMs: options.timeout,
  });
  const graphql = new GraphqlClient({
    rest,
    path: `/admin/api/${options.api_version}/graphql.json`,
  });
  const ask: Shopify["ask"] = async (asked, schema) => {
    const parsed = schema.safeParse(await graphql.query(asked));
    if (parsed.success) return parsed.data;
    throw new ServiceError("Shopify answered in a form that is not known here.", {
      kind: "non_retryable",
      code: "VENDOR_ANSWER",
      cause: parsed.error,
    });
  };
  return {
    graphql,
    ask,
    rateStatus: () => graphql.rateStatus(),
    health: async (signal) => {
      await graphql.query({ document: "query { shop { id } }", signal });
      return version.fellTo === undefined
        ? { status: "ok" }
        : {
            status: "degraded",
            message: `Shopify answers with version ${version.fellTo} instead of ${options.api_version}: set SHOPIFY_API_VERSION.`,
          };
    },
  };
}

// A token of the client credentials grant holds for 24 hours.
function tokensOf(options: Options, baseUrl: string, context: ServiceContext): TokenProvider {
  const { access_token, client_id = "", client_secret = "" } = options;
  if (access_token !== undefined) return staticToken(access_token);
  const oauth = createRestClient({ ...context, vendor: "Shopify", baseUrl });
  return createTokenProvider({
    clock: context.clock,
    fetchToken: async (signal) => {
      const made = await oauth.ask(
        {
          method: "POST",
          path: "/admin/oauth/access_token",
          form: { grant_type: "client_credentials", client_id, client_secret },
          safe: true,
          signal,
        },
        z.object({ access_token: z.string().min(1), expires_in: z.number().positive() }),
      );
      return {
        value: made.access_token,
        expiresAt: context.clock.now() + made.expires_in * 1000,
      };
    },
  });
}

export const userErrors = z.array(
  z.object({ field: z.array(z.string()).nullish(), message: z.string() }),
);

/** What Shopify refuses stands in an answer that otherwise looks done. Throws ToolError. */
export function refuseUserErrors(errors: z.output<typeof userErrors>): void {
  if (errors.length === 0) return;
  const sentences = errors
    .slice(0, 10)
    .map(({ field, message }) => (field ? `${field.join(".")}: ${message}` : message));
  throw new ToolError(`Shopify refused this: ${sentences.join("; ")}`, { code: "VENDOR_REFUSED" });
}
