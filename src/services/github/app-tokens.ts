// A GitHub App proves itself with a JWT that it signs (RS256, ten minutes at most), and gets for it a token of one
// installation that holds for an hour.
// https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
import { createPrivateKey, sign, type KeyObject } from "node:crypto";
import {
  createTokenProvider,
  path,
  ServiceError,
  ToolError,
  type Clock,
  type RestClient,
  type TokenProvider,
} from "@signalbox/kit";
import { z } from "zod";

export interface GithubApp {
  /** App ID or client ID. */
  readonly appId: string | number;
  readonly installationId: string | number;
  /** PEM; `\n` may stand for line breaks. */
  readonly privateKey: string;
}

/**
 * Tokens of an installation, each renewed five minutes before its end; `api` is a client without credentials. Throws ToolError
 * (GITHUB_KEY_INVALID) for a key that is none.
 */
export function installationTokens(
  { appId, installationId, privateKey }: GithubApp,
  { api, clock }: { api: RestClient; clock: Clock },
): TokenProvider {
  const key = readKey(privateKey);
  return createTokenProvider({
    clock,
    earlyMs: 300_000,
    fetchToken: async (signal) => {
      const made = await api
        .ask(
          {
            method: "POST",
            path: path`/app/installations/${installationId}/access_tokens`,
            headers: { authorization: `Bearer ${appJwt(String(appId), key, clock.now())}` },
            json: {},
            // A token more does no harm: each ends by itself.
            safe: true,
            signal,
          },
          z.object({ token: z.string().min(1), expires_at: z.iso.datetime({ offset: true }) }),
        )
        .catch(explain);
      return { value: made.token, expiresAt: Date.parse(made.expires_at) };
    },
  });
}

/** The JWT of an App (RFC 7519): issued a minute ago, for clocks that differ, and good for nine more. */
export function appJwt(issuer: string, key: KeyObject, nowMs: number): string {
  const now = Math.floor(nowMs / 1000);
  const claims = { iat: now - 60, exp: now + 540, iss: issuer };
  const signed = `${base64url({ alg: "RS256", typ: "JWT" })}.${base64url(claims)}`;
  return `${signed}.${sign("RSA-SHA256", Buffer.from(signed), key).toString("base64url")}`;
}

function base64url(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function readKey(pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem.replaceAll(String.raw`\n`, "\n").trim());
    if (key.asymmetricKeyType === "rsa") return key;
  } catch {
    // What was wrong with it may quote the key.
  }
  throw new ToolError(
    "The private key of the GitHub App is no RSA key in PEM. Set GITHUB_PRIVATE_KEY to the whole of the .pem file that GitHub made under the App's settings, line breaks as they are or as \\n.",
    { code: "GITHUB_KEY_INVALID" },
  );
}

const advice: Readonly<Record<number, string>> = {
  401: "See whether GITHUB_APP_ID and GITHUB_PRIVATE_KEY belong to the same App, and whether this machine's clock is right.",
  403: "See whether the installation is suspended.",
  404: "See whether GITHUB_INSTALLATION_ID is an installation of this App.",
};

function explain(error: unknown): never {
  if (!(error instanceof ServiceError)) throw error;
  const hint = error.status === undefined ? undefined : advice[error.status];
  if (hint === undefined) throw error;
  throw new ServiceError(`The GitHub App got no token. ${error.message}. ${hint}`, {
    kind: error.kind,
    // Not the status: it is the App that was refused, so renewing the token would not help.
    delivered: "no",
    code: "GITHUB_APP_REFUSED",
    cause: error,
  });
}
