import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { runNode } from "../support/child.ts";
import { inRoot } from "../support/root.ts";

const suiteWithinMs = 300_000;

/** One of the published conformance suites, as it is run against a server. */
export interface ServerSuite {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
}

const stable = inRoot("node_modules/conformance-0.1.16/dist/index.js");
const alpha = inRoot("node_modules/@modelcontextprotocol/conformance/dist/index.js");

/** The suites a server must pass: two of the older revisions' wire, one of the current. */
export const serverSuites = {
  active: { name: "0.1.16 active", program: stable, args: ["--suite", "active"] },
  legacy: {
    name: "0.2.0-alpha.12, 2025-11-25",
    program: alpha,
    args: ["--requirements", "2025-11-25"],
  },
  modern: {
    name: "0.2.0-alpha.12, 2026-07-28",
    program: alpha,
    args: ["--requirements", "2026-07-28"],
  },
} as const satisfies Record<string, ServerSuite>;

/** One scenario of a client suite, at one revision's wire. */
export interface ClientScenario {
  readonly program: string;
  readonly scenario: string;
  readonly revision: string | undefined;
}

/** Every scenario of the client suites that needs no authorization server. */
export const clientScenarios: readonly ClientScenario[] = [
  ...["initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry"].map(
    (scenario) => ({ program: stable, scenario, revision: undefined }),
  ),
  ...[
    "initialize",
    "tools_call",
    "elicitation-sep1034-client-defaults",
    "sse-retry",
    "json-schema-2020-12-preservation",
  ].map((scenario) => ({ program: alpha, scenario, revision: "2025-11-25" })),
  ...[
    "tools_call",
    "request-metadata",
    "sep-2322-client-request-state",
    "http-standard-headers",
    "http-custom-headers",
    "http-invalid-tool-headers",
    "json-schema-ref-no-deref",
    "json-schema-2020-12-preservation",
  ].map((scenario) => ({ program: alpha, scenario, revision: "2026-07-28" })),
];

// Both revisions score these.
const sinceCimd = [
  "metadata-default",
  "metadata-var1",
  "metadata-var2",
  "metadata-var3",
  "basic-cimd",
  "scope-from-www-authenticate",
  "scope-from-scopes-supported",
  "scope-omitted-when-undefined",
  "scope-step-up",
  "scope-retry-limit",
  "token-endpoint-auth-basic",
  "token-endpoint-auth-post",
  "token-endpoint-auth-none",
  "pre-registration",
];
const onlyModern = [
  "resource-mismatch",
  "offline-access-scope",
  "offline-access-not-supported",
  "authorization-server-migration",
  "iss-supported",
  "iss-not-advertised",
  "iss-supported-missing",
  "iss-wrong-issuer",
  "iss-unexpected",
  "iss-normalized",
  "metadata-issuer-mismatch",
];
// Scored by none, and played all the same: two of an extension, and one of a revision whose servers have no metadata of
// their own.
const unscored = [
  ["client-credentials-jwt", undefined],
  ["client-credentials-basic", undefined],
  ["2025-03-26-oauth-metadata-backcompat", "2025-03-26"],
] as const;

/** The scenarios in which the client has to get tokens. */
export const authorizationScenarios: readonly ClientScenario[] = [
  ...sinceCimd.map((name) => authorization(name, "2025-11-25")),
  ...[...sinceCimd, ...onlyModern].map((name) => authorization(name, "2026-07-28")),
  ...unscored.map(([name, revision]) => authorization(name, revision)),
];

/** Scored by none either, and not played: docs/connections.md says why of each. */
export const authorizationLeft: readonly string[] = [
  "2025-03-26-oauth-endpoint-fallback",
  "dpop",
  "dpop-nonce",
  "enterprise-managed-authorization",
  "wif-jwt-bearer",
];

/** The names of the authorization scenarios that the program has: all of them, or those a revision requires. */
export async function authorizationScenariosOf(revision?: string): Promise<string[]> {
  const only = revision === undefined ? [] : ["--requirements", revision];
  const program = runNode([alpha, "list", "--client", ...only], { env: {} });
  await program.closed;
  const [scored = ""] = program.stdout().split("never scored");
  return [...scored.matchAll(/^ +- auth\/(\S+)/gm)].map(([, name = ""]) => name);
}

function authorization(name: string, revision: string | undefined): ClientScenario {
  return { program: alpha, scenario: `auth/${name}`, revision };
}

/** A check as a suite reports it. */
export type Check = z.infer<typeof checkSchema>;

const checkSchema = z.object({
  id: z.string(),
  name: z.string(),
  status: z.enum(["SUCCESS", "FAILURE", "WARNING", "SKIPPED", "INFO"]),
  description: z.string().optional(),
  errorMessage: z.string().optional(),
  details: z.unknown().optional(),
});

/** The checks of a run, by scenario. */
export type Outcome = ReadonlyMap<string, readonly Check[]>;

/** Runs a server suite against `url`; a suite that writes no results throws with its output. */
export async function runServerSuite(suite: ServerSuite, url: string): Promise<Outcome> {
  return await runSuite(suite.program, ["server", "--url", url, ...suite.args], {});
}

/** Runs one client scenario with `command`, whose last argument will be the scenario's server. */
export async function runClientScenario(
  { program, scenario, revision }: ClientScenario,
  command: string,
  env: Record<string, string>,
): Promise<readonly Check[]> {
  const version = revision === undefined ? [] : ["--spec-version", revision];
  const args = ["client", "--command", command, "--scenario", scenario, ...version];
  const outcome = await runSuite(program, args, env);
  return outcome.get(scenario) ?? [];
}

async function runSuite(
  program: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), "signalbox-conformance-"));
  try {
    const suite = runNode([program, ...args, "-o", folder], { env });
    const timer = setTimeout(() => suite.process.kill("SIGKILL"), suiteWithinMs);
    await suite.closed;
    clearTimeout(timer);
    const outcome = await readOutcome(folder);
    if (outcome.size === 0) throw new Error(`no results\n${suite.stdout()}\n${suite.stderr()}`);
    return outcome;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function readOutcome(folder: string): Promise<Outcome> {
  const outcome = new Map<string, Check[]>();
  const files = await readdir(folder, { recursive: true });
  for (const file of files.filter((name) => basename(name) === "checks.json").toSorted()) {
    const text = await readFile(join(folder, file), "utf8");
    outcome.set(scenarioOf(dirname(file)), z.array(checkSchema).parse(JSON.parse(text)));
  }
  return outcome;
}

// A results folder is named server-<scenario>-<time> or, for client scenarios, <scenario>-<time>.
function scenarioOf(folder: string): string {
  return folder.replace(/^server-/, "").replace(/-\d{4}-\d{2}-\d{2}T[\d-]+Z$/, "");
}
