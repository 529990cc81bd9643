import {
  createRestClient,
  path,
  staticToken,
  ToolError,
  toolsOf,
  type RestClientOptions,
  type ServiceContext,
  type ServiceRuntime,
  type TokenProvider,
} from "@signalbox/kit";
import { z } from "zod";
import { installationTokens } from "./app-tokens.ts";
import { githubFailures } from "./failures.ts";
import { GithubApi } from "./github-api.ts";
import type { githubSettings } from "./settings.ts";

type Settings = z.output<typeof githubSettings.options>;

/** What every tool has as `context.runtime`. */
export interface GitHub extends ServiceRuntime {
  readonly api: GithubApi;
  /** Whether it works as an App's installation rather than as a person. */
  readonly asApp: boolean;
  /** The repository that a call means. Throws ToolError (ARGUMENTS_INVALID) where it names none and none is configured. */
  repository(named: RepositoryNamed): Repository;
}

export interface RepositoryNamed {
  readonly owner?: string | undefined;
  readonly repo?: string | undefined;
}

export interface Repository {
  readonly owner: string;
  readonly name: string;
  /** `/repos/{owner}/{repo}`. */
  readonly path: string;
}

/** `defineTool` for this service. */
export const tool = toolsOf<GitHub>();

/** Called once, before the first call. */
export function connect(settings: Settings, context: ServiceContext): GitHub {
  const client: RestClientOptions & Pick<ServiceContext, "clock"> = {
    ...context,
    vendor: "GitHub",
    baseUrl: settings.url,
    timeoutMs: settings.timeout,
    headers: {
      accept: "application/vnd.github+json",
      "x-github-api-version": settings.api_version,
      "user-agent": "signalbox",
    },
    classify: githubFailures(context.clock),
  };
  const app = appTokens(settings, client);
  if (app === undefined)
    context.log.warn(
      {},
      "GitHub is used with a personal access token, which acts as its owner: a GitHub App can be given less",
    );
  const api = new GithubApi({
    ...client,
    auth: { tokens: app ?? staticToken(settings.pat ?? "") },
  });
  return {
    api,
    asApp: app !== undefined,
    repository: (named) => repositoryOf(named, settings.repository),
    rateStatus: () => api.rateStatus(),
    // It is not counted.
    health: async (signal) => {
      await api.ask({ path: "/rate_limit", signal }, z.unknown());
      return { status: "ok" };
    },
  };
}

function appTokens(
  { app_id, installation_id, private_key }: Settings,
  client: RestClientOptions & Pick<ServiceContext, "clock">,
): TokenProvider | undefined {
  if (app_id === undefined || installation_id === undefined || private_key === undefined)
    return undefined;
  return installationTokens(
    { appId: app_id, installationId: installation_id, privateKey: private_key },
    { api: createRestClient(client), clock: client.clock },
  );
}

function repositoryOf({ owner, repo }: RepositoryNamed, configured = ""): Repository {
  const [ownerThere = "", nameThere = ""] = configured.split("/");
  const [first = "", second] = (repo ?? "").split("/");
  const name = second ?? (first || nameThere);
  const account = second === undefined ? (owner ?? ownerThere) : first;
  if (account === "" || name === "")
    throw new ToolError(
      "Which repository? Give `repo` as owner/name, or set GITHUB_DEFAULT_REPO for calls that name none.",
      { code: "ARGUMENTS_INVALID" },
    );
  return { owner: account, name, path: path`/repos/${account}/${name}` };
}
