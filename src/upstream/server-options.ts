// What a user may write about one server, in `signalbox.toml` and in `POST /api/servers`.
import type { Service } from "@signalbox/kit";
import { z } from "zod";
import { duration, projectName, type ErrorCode } from "../foundation/index.ts";
import { serverBalanceOptions } from "./balance/balance-options.ts";
import { serverConnectionPoolOptions } from "./connection-pool-options.ts";
import { serverBreakerOptions } from "./guard/breaker.ts";
import { serverBulkheadOptions } from "./guard/bulkhead.ts";
import { serverRetryOptions } from "./guard/retry-options.ts";
import { isOwnSecret, referenceProblem, referencesIn, replaceReferences } from "./reference.ts";
import { serverCacheOptions } from "./server-cache-options.ts";
import { serverOAuthOptions } from "./server-oauth-options.ts";
import { serverPinOptions } from "./pin-options.ts";
import { processOptions } from "./processes/process-options.ts";

const headerName = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/;
const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;
const ownHeaders = new Set([
  "accept",
  "connection",
  "content-length",
  "content-type",
  "expect",
  "host",
  "keep-alive",
  "last-event-id",
  "mcp-method",
  "mcp-name",
  "mcp-protocol-version",
  "mcp-session-id",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const url = z
  .string('url must be text such as "https://mcp.example.com/mcp"')
  .superRefine((value, context) => {
    const problem = problemOfWrittenUrl(value);
    if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
  });

const headers = z
  .record(z.string(), z.string("a header's value must be text"))
  .superRefine((value, context) => {
    for (const [name, text] of Object.entries(value)) {
      const problem = problemOfHeader(name, text) ?? referenceProblem(text, "value");
      if (problem !== undefined)
        context.addIssue({ code: "custom", path: [name], message: problem });
    }
  });

const variables = z
  .record(z.string(), z.string("a variable's value must be text"))
  .superRefine((value, context) => {
    for (const [name, text] of Object.entries(value)) {
      if (!variableName.test(name))
        context.addIssue({
          code: "custom",
          path: [name],
          message: `"${name}" is not a variable name: use letters, digits and "_", not starting with a digit`,
        });
      else {
        const problem = problemOfVariable(text) ?? referenceProblem(text, "value");
        if (problem !== undefined)
          context.addIssue({ code: "custom", path: [name], message: problem });
      }
    }
  });

const programText = z.string().superRefine((text, context) => {
  const problem = problemOfVariable(text) ?? problemOfOpenText(text, COMMAND_LINE);
  if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
});

const annotations = z.strictObject({
  title: z.string().optional(),
  readOnlyHint: z.boolean().optional(),
  destructiveHint: z.boolean().optional(),
  idempotentHint: z.boolean().optional(),
  openWorldHint: z.boolean().optional(),
});

const endpoint = z.strictObject({
  url,
  weight: z.int("weight must be a whole number").min(1, "weight must be at least 1").optional(),
  /** Endpoints of the lowest number take the calls as long as one of them can. */
  priority: z.int("priority must be a whole number").min(0).max(100).optional(),
  headers: headers.optional(),
});

/** The options of one server: `command` for a local process, or `url` for a remote one. */
export const serverOptions = z
  .strictObject({
    command: programText.min(1, "command must not be empty").optional(),
    args: z.array(programText).optional(),
    env: variables.optional(),
    cwd: programText.min(1, "cwd must not be empty").optional(),
    url: url.optional(),
    headers: headers.optional(),
    transport: z
      .enum(["streamable-http", "http-sse"], 'transport must be "streamable-http" or "http-sse"')
      .optional(),
    endpoints: z.array(endpoint).max(64, "at most 64 endpoints").optional(),
    protocol_era: z
      .enum(["modern", "legacy", "auto"], 'protocol_era must be "modern", "legacy" or "auto"')
      .optional(),
    timeout: duration.optional(),
    list_timeout: duration.optional(),
    enabled: z.boolean("enabled must be true or false").optional(),
    /** Whose it is; default: "default". */
    project: projectName.optional(),
    roots: z
      .array(z.strictObject({ uri: z.string().min(1), name: z.string().optional() }))
      .max(100, "at most 100 roots")
      .optional(),
    annotations: z.record(z.string(), annotations).optional(),
    env_allow: z
      .array(
        z
          .string()
          .regex(variableName, "is not a variable name")
          .refine((name) => !isOwnSecret(name), "it holds a secret of the gateway itself"),
      )
      .max(200, "at most 200 variables")
      .optional(),
    response_bytes_max: z
      .int("response_bytes_max must be a whole number of bytes")
      .min(1024, "response_bytes_max must be at least 1024")
      .optional(),
    connection_pool: serverConnectionPoolOptions.optional(),
    load_balancer: serverBalanceOptions.optional(),
    retry_policy: serverRetryOptions.optional(),
    circuit_breaker: serverBreakerOptions.optional(),
    bulkhead: serverBulkheadOptions.optional(),
    process: processOptions.optional(),
    cache: serverCacheOptions.optional(),
    oauth: serverOAuthOptions.optional(),
    pins: serverPinOptions.optional(),
  })
  .superRefine((options, context) => {
    for (const problem of problemsTogether(options)) {
      context.addIssue({ code: "custom", path: [problem.key], message: problem.message });
    }
  });

export type ServerOptions = z.output<typeof serverOptions>;

/**
 * The options with every reference in them replaced. What comes in its place is checked as what is written is: `problem` says
 * where it does not do, and shows nothing of it.
 */
export function withReferences(
  options: ServerOptions,
  replacement: Parameters<typeof replaceReferences>[1],
): { readonly options: ServerOptions; readonly problem?: string } {
  const put = (text: string): string => replaceReferences(text, replacement);
  const putAll = (values: Record<string, string>): Record<string, string> =>
    Object.fromEntries(Object.entries(values).map(([name, text]) => [name, put(text)]));
  const { command, args, env, cwd, url: address, headers: fields, endpoints } = options;
  const filled: ServerOptions = {
    ...options,
    ...(command !== undefined && { command: put(command) }),
    ...(args && { args: args.map(put) }),
    ...(env && { env: putAll(env) }),
    ...(cwd !== undefined && { cwd: put(cwd) }),
    ...(address !== undefined && { url: put(address) }),
    ...(fields && { headers: putAll(fields) }),
    ...(endpoints && {
      endpoints: endpoints.map((one) => ({
        ...one,
        url: put(one.url),
        ...(one.headers && { headers: putAll(one.headers) }),
      })),
    }),
  };
  const problem = problemOfFilled(filled);
  return { options: filled, ...(problem !== undefined && { problem }) };
}

/** A service that runs in the gateway's own process. */
export type InProcessService = Service;

/** The settings of a service, with references in them, and what makes a service of them once those are put in place. */
export interface ServiceSettingsGiven {
  readonly values: Readonly<Record<string, unknown>>;
  /** The same service for the same values. Throws TypeError, which names the settings, where they do not fit. */
  open(values: Readonly<Record<string, unknown>>): InProcessService;
}

/** One configured server: its public name, its options, and where it was configured. */
export interface ServerDefinition {
  name: string;
  options: ServerOptions;
  /** The configuration file, the store, the product itself, or a service of the product that is configured. */
  origin: "config" | "store" | "builtin" | "service";
  /** Of a service with settings it stands in until those are put in place. */
  service?: InProcessService;
  settings?: ServiceSettingsGiven;
  /** What a service still needs before it can be served: it is shown, and nothing of it is started. */
  needs?: readonly string[];
  /** Why it cannot be opened as it is configured: it is shown as failing with this, and nothing of it is started. */
  problem?: { readonly code: ErrorCode; readonly message: string };
}

/** A server's name: it prefixes the public names of its tools, so "__" is kept for the separator. */
export const serverName = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9_-]{0,31}$/,
    'a server\'s name has 1 to 32 characters of "a-z", "0-9", "-" and "_", and starts with a letter or digit',
  )
  .refine((name) => !name.includes("__"), 'a server\'s name must not contain "__"');

function problemOfUrl(value: string): string | undefined {
  const parsed = URL.parse(value);
  if (parsed === null) return `"${shortened(value)}" is not an absolute URL`;
  if (parsed.protocol !== "http:" && parsed.protocol !== "https:")
    return `the URL must start with http:// or https://, not ${parsed.protocol}`;
  if (parsed.username !== "" || parsed.password !== "")
    return "the URL must not carry a user name or password: put them in headers";
  if (parsed.hash !== "") return 'the URL must not have a fragment ("#...")';
  return undefined;
}

// Where a variable stands for its beginning, nothing is known of an address yet.
function problemOfWrittenUrl(value: string): string | undefined {
  const problem = problemOfOpenText(value, ADDRESS);
  if (problem !== undefined || value.startsWith("${env:")) return problem;
  return problemOfUrl(
    referencesIn(value).length === 0 ? value : replaceReferences(value, () => "x"),
  );
}

// Other users of the machine can read command lines, and addresses stand in logs, here and at the other end.
function problemOfOpenText(
  text: string,
  { name, instead }: { name: string; instead: string },
): string | undefined {
  const secret = referencesIn(text).find(({ kind }) => kind !== "env");
  if (secret === undefined) return referenceProblem(text, "program");
  return `\${${secret.kind}:...} would put a secret into ${name}: use ${instead}`;
}

const COMMAND_LINE = { name: "a command line, which others can read", instead: "env" };
const ADDRESS = { name: "a URL, which is logged", instead: "headers" };

function problemOfVariable(value: string): string | undefined {
  return value.includes("\0") ? "it contains a NUL byte" : undefined;
}

function problemOfFilled(options: ServerOptions): string | undefined {
  const { command, args = [], env = {}, cwd, endpoints = [] } = options;
  const texts = [command, ...args, cwd, ...Object.values(env)];
  if (texts.some((text) => text !== undefined && problemOfVariable(text) !== undefined))
    return "a value contains a NUL byte";
  if (command === "" || cwd === "") return "command or cwd is empty";
  for (const { url: address, headers: fields = {} } of [options, ...endpoints]) {
    if (address !== undefined && problemOfUrl(address) !== undefined)
      return "the URL is none that can be used";
    const bad = Object.entries(fields).find(([, text]) => !headerValue.test(text));
    if (bad !== undefined) return `the value of ${bad[0]} has a character no header may carry`;
  }
  return undefined;
}

function problemOfHeader(name: string, value: string): string | undefined {
  if (!headerName.test(name)) return `"${shortened(name)}" is not a header name`;
  if (ownHeaders.has(name.toLowerCase())) return `the header ${name} is set by the gateway itself`;
  if (!headerValue.test(value)) return `the value of ${name} has a character no header may carry`;
  return undefined;
}

const onlyLocal = ["args", "env", "cwd", "env_allow", "process"] as const;
const onlyRemote = ["headers", "transport", "endpoints", "oauth"] as const;

/** The options as far as the checks across fields need them. */
type Together = { [K in (typeof onlyLocal)[number] | (typeof onlyRemote)[number]]?: unknown } & {
  command?: string | undefined;
  url?: string | undefined;
  transport?: string | undefined;
  protocol_era?: string | undefined;
};

function problemsTogether(options: Together): { key: string; message: string }[] {
  const local = options.command !== undefined;
  const remote = options.url !== undefined || options.endpoints !== undefined;
  if (local && remote)
    return [{ key: "command", message: "give command (a local process) or url, not both" }];
  if (!local && !remote)
    return [{ key: "command", message: "give command (a local process) or url (a remote server)" }];
  const problems: { key: string; message: string }[] = [];
  for (const key of local ? onlyRemote : onlyLocal) {
    if (options[key] !== undefined)
      problems.push({ key, message: `${key} goes with ${local ? "url" : "command"}` });
  }
  if (
    Array.isArray(options.endpoints) &&
    options.endpoints.length === 0 &&
    options.url === undefined
  )
    problems.push({ key: "endpoints", message: "name at least one endpoint, or give url" });
  if (options.oauth !== undefined && carriesAuthorization(options))
    problems.push({ key: "oauth", message: "give oauth or an Authorization header, not both" });
  if (options.transport === "http-sse" && options.protocol_era === "modern")
    problems.push({ key: "protocol_era", message: "http-sse servers are legacy, never modern" });
  return problems;
}

function carriesAuthorization(options: Together): boolean {
  const { endpoints } = options;
  const each = [options, ...(Array.isArray(endpoints) ? endpoints : [])].map(headersOf);
  return each.some((one) =>
    Object.keys(one ?? {}).some((name) => name.toLowerCase() === "authorization"),
  );
}

function headersOf(one: unknown): unknown {
  return typeof one === "object" && one !== null && "headers" in one ? one.headers : undefined;
}

function shortened(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}
