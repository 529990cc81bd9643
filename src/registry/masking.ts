// Values of env and headers are shown as "***", but for references, which are no secret, and secrets inside arguments and URLs
// as "[redacted]". Whoever edits
// a definition sends these back for what shall stay; it then keeps its stored value, but only while the program or address that receives it is the same: otherwise an
// edit of the address alone would send the kept secrets somewhere else.
import { isSecretName, redactText, SignalboxError } from "../foundation/index.ts";
import { openlyReferring } from "../gateway/index.ts";
import type { ServerOptions } from "../gateway/index.ts";

export const mask = "***";

/** Options as they may be shown: values of env, headers, secret-looking arguments and URL parameters are masked. */
export function maskServer(options: ServerOptions): ServerOptions {
  const { env, headers, args, url, endpoints, oauth, process } = options;
  return {
    ...options,
    ...(oauth && { oauth: maskOAuth(oauth) }),
    ...(process?.container && {
      process: { ...process, container: maskContainer(process.container) },
    }),
    ...(env && { env: maskValues(env) }),
    ...(headers && { headers: maskValues(headers) }),
    ...(args && { args: maskArguments(args) }),
    ...(url !== undefined && { url: redactText(url) }),
    ...(endpoints && {
      endpoints: endpoints.map((endpoint) => ({
        ...endpoint,
        url: redactText(endpoint.url),
        ...(endpoint.headers && { headers: maskValues(endpoint.headers) }),
      })),
    }),
  };
}

/** Options as edited, with what was sent back masked restored from `stored`. Throws BODY_INVALID where it cannot be. */
export function unmaskServer(edited: ServerOptions, stored: ServerOptions): ServerOptions {
  const shown = maskServer(stored);
  const { env, headers, args, url, endpoints, oauth } = edited;
  const restored: ServerOptions = {
    ...edited,
    ...(oauth && { oauth: unmaskOAuth(oauth, stored.oauth) }),
    ...(edited.process?.container && {
      process: { ...edited.process, container: unmaskContainer(edited, stored) },
    }),
    ...(env && { env: unmaskValues(env, stored.env, "env") }),
    ...(headers && { headers: unmaskValues(headers, stored.headers, "headers") }),
    ...(args && {
      args: args.map((arg, n) => (arg === shown.args?.[n] ? (stored.args?.[n] ?? arg) : arg)),
    }),
    ...(url !== undefined && { url: url === shown.url ? (stored.url ?? url) : url }),
    ...(endpoints && {
      endpoints: endpoints.map((endpoint, n) => {
        const before = stored.endpoints?.[n];
        return {
          ...endpoint,
          url:
            endpoint.url === shown.endpoints?.[n]?.url
              ? (before?.url ?? endpoint.url)
              : endpoint.url,
          ...(endpoint.headers && {
            headers: unmaskValues(endpoint.headers, before?.headers, `endpoints.${n}.headers`),
          }),
        };
      }),
    }),
  };
  refuseRedirectedSecrets(edited, restored, stored);
  refuseLeftMasks(restored);
  return restored;
}

function refuseRedirectedSecrets(
  edited: ServerOptions,
  restored: ServerOptions,
  stored: ServerOptions,
): void {
  edited.endpoints?.forEach((endpoint, n) => {
    const same = originOf(restored.endpoints?.[n]?.url) === originOf(stored.endpoints?.[n]?.url);
    if (!same && Object.values(endpoint.headers ?? {}).includes(mask))
      throw resend(`endpoints.${n}.headers`);
  });
  const moved =
    restored.command !== stored.command
      ? "env"
      : originsOf(restored).isSubsetOf(originsOf(stored))
        ? undefined
        : "headers";
  if (moved !== undefined && Object.values(edited[moved] ?? {}).includes(mask)) throw resend(moved);
}

function refuseLeftMasks(options: ServerOptions): void {
  for (const [at, text] of [
    ["url", options.url],
    ...(options.args ?? []).map((arg, n) => [`args.${n}`, arg] as const),
    ...(options.process?.container?.args ?? []).map(
      (arg, n) => [`process.container.args.${n}`, arg] as const,
    ),
    ...(options.endpoints ?? []).map(
      (endpoint, n) => [`endpoints.${n}.url`, endpoint.url] as const,
    ),
  ] as const) {
    if (text?.includes(maskedText)) throw resend(at);
  }
}

function resend(path: string): SignalboxError {
  return new SignalboxError(
    "BODY_INVALID",
    `Send the secret of ${path} again: a masked value is kept only where it was stored before and the program or address that receives it is unchanged.`,
    { details: { path } },
  );
}

type OAuth = NonNullable<ServerOptions["oauth"]>;

function maskOAuth(oauth: OAuth): OAuth {
  return {
    ...oauth,
    ...(oauth.client_secret !== undefined && { client_secret: mask }),
    ...(oauth.private_key !== undefined && { private_key: mask }),
  };
}

// The secret goes to the issuer, so it is kept only where that stays the same.
function unmaskOAuth(edited: OAuth, stored: OAuth | undefined): OAuth {
  const restored = { ...edited };
  for (const name of ["client_secret", "private_key"] as const) {
    if (edited[name] !== mask) continue;
    const kept = edited.issuer === stored?.issuer ? stored?.[name] : undefined;
    if (kept === undefined) throw resend(`oauth.${name}`);
    restored[name] = kept;
  }
  return restored;
}

function maskValues(values: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, openlyReferring(value) ?? mask]),
  );
}

function unmaskValues(
  edited: Record<string, string>,
  stored: Record<string, string> | undefined,
  path: string,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(edited).map(([name, value]) => {
      if (value !== mask) return [name, value];
      const kept = stored !== undefined && Object.hasOwn(stored, name) ? stored[name] : undefined;
      if (kept === undefined) throw resend(`${path}.${name}`);
      return [name, kept];
    }),
  );
}

// `["--token", "abc"]`: the flag's name tells that the next argument is the secret.
function maskArguments(args: readonly string[]): string[] {
  return args.map((arg, n) =>
    n > 0 && isFlagOfSecret(args[n - 1]) ? (openlyReferring(arg) ?? maskedText) : redactText(arg),
  );
}

type Container = NonNullable<NonNullable<ServerOptions["process"]>["container"]>;

// `["--env", "TOKEN=abc"]`: what a container is started with is as secret as the environment it makes.
function maskContainer(container: Container): Container {
  return { ...container, args: maskArguments(container.args) };
}

function unmaskContainer(edited: ServerOptions, stored: ServerOptions): Container | undefined {
  const container = edited.process?.container;
  const before = stored.process?.container;
  if (container === undefined || before === undefined || before.image !== container.image) {
    return container;
  }
  const shown = maskContainer(before).args;
  const args = container.args.map((arg, n) => (arg === shown[n] ? (before.args[n] ?? arg) : arg));
  return { ...container, args };
}

function isFlagOfSecret(argument: string | undefined): boolean {
  return argument !== undefined && argument.startsWith("-") && isSecretName(argument);
}

/** Who receives the headers of a server: its address and all its endpoints. */
function originsOf({ url, endpoints = [] }: ServerOptions): Set<string | undefined> {
  const urls = url === undefined ? [] : [url];
  return new Set([...urls, ...endpoints.map((endpoint) => endpoint.url)].map(originOf));
}

function originOf(url: string | undefined): string | undefined {
  return url === undefined ? undefined : (URL.parse(url)?.origin ?? url);
}

const maskedText = "[redacted]";
