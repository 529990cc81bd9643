// Railway has two kinds of tokens with a header each: those of accounts and workspaces, and those of one environment of a
// project, with which nobody can ask who they are or which projects there are. Which kind RAILWAY_TOKEN is, Railway tells.
import {
  GraphqlClient,
  ServiceError,
  ToolError,
  createRestClient,
  staticToken,
  toolsOf,
  type Clock,
  type GraphqlError,
  type RestClientOptions,
  type ServiceContext,
  type ServiceRuntime,
} from "@signalbox/kit";
import { z } from "zod";
import { documents } from "./documents.ts";
import type { railwaySettings } from "./settings.ts";

export type RailwayOptions = z.output<typeof railwaySettings.options>;

/** What the token is for. */
export type TokenScope =
  | { readonly kind: "account" }
  | { readonly kind: "project"; readonly projectId: string; readonly environmentId: string };

/** What every tool has as `context.runtime`. */
export interface Railway extends ServiceRuntime {
  readonly clock: Clock;
  readonly options: RailwayOptions;
  readonly scope: (signal: AbortSignal) => Promise<TokenScope>;
  /** The client for the token's kind. */
  readonly api: (signal: AbortSignal) => Promise<GraphqlClient>;
  /** The answer to one document; throws ServiceError where it does not fit. */
  readonly ask: <Schema extends z.ZodType>(
    document: string,
    variables: Readonly<Record<string, unknown>>,
    schema: Schema,
    signal: AbortSignal,
  ) => Promise<z.output<Schema>>;
}

/** `defineTool` for this service. */
export const tool = toolsOf<Railway>();

/** Called once, before the first call. */
export function connect(options: RailwayOptions, context: ServiceContext): Railway {
  const { token = "", api_token, api_url, timeout } = options;
  const common = {
    ...context,
    vendor: "Railway",
    baseUrl: api_url,
    // What a Hobby plan has; the headers of answers tell of others.
    plans: [{ name: "hour", limit: 1_000, windowMs: 3_600_000 }],
    timeoutMs: timeout,
  } satisfies RestClientOptions;
  const ofAccount = createRestClient({
    ...common,
    auth: { tokens: staticToken(api_token ?? token) },
  });
  const ofProject = createRestClient({
    ...common,
    auth: { tokens: staticToken(token), header: "project-access-token", prefix: "" },
  });
  const account = new GraphqlClient({ rest: ofAccount, classify });
  const project = new GraphqlClient({ rest: ofProject, classify });
  let known: TokenScope | undefined = api_token === undefined ? undefined : { kind: "account" };

  const scope = async (signal: AbortSignal): Promise<TokenScope> =>
    (known ??= await scopeBy(project, signal));
  const api = async (signal: AbortSignal): Promise<GraphqlClient> =>
    (await scope(signal)).kind === "account" ? account : project;
  return {
    clock: context.clock,
    options,
    scope,
    api,
    ask: async (document, variables, schema, signal) => {
      const data = await (await api(signal)).query({ document, variables, signal });
      const parsed = schema.safeParse(data);
      if (parsed.success) return parsed.data;
      throw new ServiceError("Railway answered in a form that is not known here.", {
        kind: "non_retryable",
        code: "VENDOR_ANSWER",
        cause: parsed.error,
      });
    },
    rateStatus: () => (known?.kind === "project" ? ofProject : ofAccount).rateStatus(),
    health: async (signal) => {
      const { kind } = await scope(signal);
      if (kind === "account")
        await account.query({ document: documents.projects, variables: { first: 1 }, signal });
      else await project.query({ document: documents.projectToken, signal });
      return { status: "ok" };
    },
  };
}

async function scopeBy(project: GraphqlClient, signal: AbortSignal): Promise<TokenScope> {
  try {
    const data = await project.query({ document: documents.projectToken, signal });
    const { projectToken } = tokenAnswer.parse(data);
    return { kind: "project", ...projectToken };
  } catch (error) {
    const refused =
      error instanceof ServiceError && error.kind === "non_retryable" && error.status !== 404;
    if (refused) return { kind: "account" };
    throw error;
  }
}

const tokenAnswer = z.object({
  projectToken: z.object({ projectId: z.string(), environmentId: z.string() }),
});

function classify({ message }: GraphqlError): "throttled" | "retryable" | undefined {
  if (/rate limit|too many requests/i.test(message)) return "throttled";
  return /problem processing request/i.test(message) ? "retryable" : undefined;
}

/** The project meant: by the call, the settings, or the token. Throws ToolError where none is. */
export async function projectOf(
  given: string | undefined,
  { options, scope }: Railway,
  signal: AbortSignal,
): Promise<string> {
  const named = given ?? options.project_id;
  if (named !== undefined) return named;
  const found = await scope(signal);
  if (found.kind === "project") return found.projectId;
  throw new ToolError(
    "Which project? Give projectId, or set RAILWAY_PROJECT_ID. project_list names them.",
    { code: "ARGUMENTS_INVALID" },
  );
}

/** The environment meant: by the call, the settings, or the token. Throws ToolError where none is. */
export async function environmentOf(
  given: string | undefined,
  { options, scope }: Railway,
  signal: AbortSignal,
): Promise<string> {
  const named = given ?? options.environment_id;
  if (named !== undefined) return named;
  const found = await scope(signal);
  if (found.kind === "project") return found.environmentId;
  throw new ToolError(
    "Which environment? Give environmentId, or set RAILWAY_ENVIRONMENT_ID. environment_list names them.",
    { code: "ARGUMENTS_INVALID" },
  );
}
