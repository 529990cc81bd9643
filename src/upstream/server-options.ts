// What a user may write about one server, in `signalbox.toml` and in `POST /api/servers`.
import type { Service } from "@signalbox/kit";
import { z } from "zod";
import { duration } from "../foundation/index.ts";
import { serverBalanceOptions } from "./balance/balance-options.ts";
import { serverConnectionPoolOptions } from "./connection-pool-options.ts";
import { serverBreakerOptions } from "./guard/breaker.ts";
import { serverBulkheadOptions } from "./guard/bulkhead.ts";
import { serverRetryOptions } from "./guard/retry-options.ts";
import { serverCacheOptions } from "./server-cache-options.ts";
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
    const problem = problemOfUrl(value);
    if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
  });

const headers = z
  .record(z.string(), z.string("a header's value must be text"))
  .superRefine((value, context) => {
    for (const [name, text] of Object.entries(value)) {
      const problem = problemOfHeader(name, text);
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
      else if (text.includes("\0"))
        context.addIssue({
          code: "custom",
          path: [name],
          message: "the value contains a NUL byte",
        });
    }
  });

const programText = z.string().refine((text) => !text.includes("\0"), "it contains a NUL byte");

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
    roots: z
      .array(z.strictObject({ uri: z.string().min(1), name: z.string().optional() }))
      .max(100, "at most 100 roots")
      .optional(),
    annotations: z.record(z.string(), annotations).optional(),
    env_allow: z
      .array(z.string().regex(variableName, "is not a variable name"))
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
    pins: serverPinOptions.optional(),
  })
  .superRefine((options, context) => {
    for (const problem of problemsTogether(options)) {
      context.addIssue({ code: "custom", path: [problem.key], message: problem.message });
    }
  });

export type ServerOptions = z.output<typeof serverOptions>;

/** A service that runs in the gateway's own process. */
export type InProcessService = Service;

/** One configured server: its public name, its options, and where it was configured. */
export interface ServerDefinition {
  name: string;
  options: ServerOptions;
  origin: "config" | "store" | "builtin";
  service?: InProcessService;
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

function problemOfHeader(name: string, value: string): string | undefined {
  if (!headerName.test(name)) return `"${shortened(name)}" is not a header name`;
  if (ownHeaders.has(name.toLowerCase())) return `the header ${name} is set by the gateway itself`;
  if (!headerValue.test(value)) return `the value of ${name} has a character no header may carry`;
  return undefined;
}

const onlyLocal = ["args", "env", "cwd", "env_allow", "process"] as const;
const onlyRemote = ["headers", "transport", "endpoints"] as const;

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
  if (options.transport === "http-sse" && options.protocol_era === "modern")
    problems.push({ key: "protocol_era", message: "http-sse servers are legacy, never modern" });
  return problems;
}

function shortened(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}
