// A real provider of OAuth tokens (oidc-provider) in the test's own process, and a person who agrees to everything it asks.
import { createServer, type Server } from "node:http";
import { Provider } from "oidc-provider";
import { freePort } from "./free-port.ts";

export interface TestProvider {
  readonly issuer: string;
  /** A token for a program, by its own credential. */
  clientToken(resource: string, scope: string): Promise<string>;
  revoke(token: string): Promise<void>;
  /** Signs in, consents, and comes back with what the provider gave. */
  agree(authorizationUrl: URL): Promise<URLSearchParams>;
  /** The same as somebody in particular; where the provider sends the browser in the end. */
  signIn(authorizationUrl: URL, login: string): Promise<URL>;
  close(): Promise<void>;
}

export const PROGRAM = { id: "program", secret: "the-secret-of-the-program" };
/** Who the gateway is when it asks about tokens. */
export const GATEWAY = { id: "gateway", secret: "the-secret-of-the-gateway" };
/** Who the gateway is when people sign in to it; where it listens is known only later. */
export const SIGN_IN = {
  id: "sign-in",
  secret: "the-secret-of-the-sign-in",
  redirectUri: "http://127.0.0.1/auth/oidc/callback",
};
/** A client that people sign in with. */
export const APP = { id: "app", redirectUri: "http://127.0.0.1/callback" };

const SCOPES = "mcp:read mcp:call mcp:write api:read";

/** Starts it; resources for which `opaque` says so get tokens that are no JWT. */
export async function startProvider(
  opaque: (resource: string) => boolean,
  /** What is said of people beside their subject, by login. */
  claims: Readonly<Record<string, Record<string, unknown>>> = {},
): Promise<TestProvider> {
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const program = { response_types: [], redirect_uris: [], grant_types: ["client_credentials"] };
  const provider = new Provider(issuer, {
    clients: [
      { client_id: PROGRAM.id, client_secret: PROGRAM.secret, ...program },
      { client_id: GATEWAY.id, client_secret: GATEWAY.secret, ...program },
      {
        client_id: SIGN_IN.id,
        client_secret: SIGN_IN.secret,
        redirect_uris: [SIGN_IN.redirectUri],
        application_type: "native",
        token_endpoint_auth_method: "client_secret_basic",
        grant_types: ["authorization_code"],
        response_types: ["code"],
      },
      {
        client_id: APP.id,
        redirect_uris: [APP.redirectUri],
        application_type: "native",
        token_endpoint_auth_method: "none",
        grant_types: ["authorization_code"],
        response_types: ["code"],
      },
    ],
    scopes: [...SCOPES.split(" "), "openid", "email", "profile", "groups"],
    claims: {
      email: ["email", "email_verified"],
      profile: ["preferred_username"],
      groups: ["groups"],
    },
    cookies: { keys: ["a key of the tests"] },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...claims[id] }) }),
    features: {
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_, resource) => ({
          scope: SCOPES,
          audience: resource,
          accessTokenTTL: 600,
          accessTokenFormat: opaque(resource) ? "opaque" : "jwt",
          jwt: { sign: { alg: "RS256" } },
        }),
      },
    },
  });
  const server = createServer((req, res) => void provider.callback()(req, res));
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const post = async (path: string, form: Record<string, string>): Promise<Response> => {
    const basic = Buffer.from(`${PROGRAM.id}:${PROGRAM.secret}`).toString("base64");
    const answer = await fetch(issuer + path, {
      method: "POST",
      headers: { authorization: `Basic ${basic}` },
      body: new URLSearchParams(form),
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  };
  return {
    issuer,
    clientToken: async (resource, scope) => {
      const form = { grant_type: "client_credentials", resource, scope };
      const body: unknown = await (await post("/token", form)).json();
      return memberOf(body, "access_token");
    },
    revoke: async (token) => void (await post("/token/revocation", { token })),
    agree: async (url) => (await signIn(url, "ada", APP.redirectUri)).searchParams,
    signIn: (url, login) => signIn(url, login, url.searchParams.get("redirect_uri") ?? ""),
    close: () => closed(server),
  };
}

/** Follows the provider's pages as a browser would, with its cookies, until it is sent back to the application. */
async function signIn(start: URL, login: string, redirectUri: string): Promise<URL> {
  const cookies = new Map<string, string>();
  const ask = async (url: URL, form?: Record<string, string>): Promise<Response> => {
    const answer = await fetch(url, {
      redirect: "manual",
      headers: { cookie: [...cookies].map((pair) => pair.join("=")).join("; ") },
      ...(form && { method: "POST", body: new URLSearchParams(form) }),
    });
    for (const line of answer.headers.getSetCookie()) {
      const [name = "", value = ""] = (line.split(";")[0] ?? "").split("=");
      cookies.set(name, value);
    }
    return answer;
  };
  let url = start;
  for (let step = 0; step < STEPS_MAX; step++) {
    if (url.href.startsWith(redirectUri)) return url;
    // oxlint-disable-next-line no-await-in-loop -- one page leads to the next
    let answer = await ask(url);
    if (answer.status === 200) {
      // oxlint-disable-next-line no-await-in-loop -- one page leads to the next
      const prompt = /name="prompt" value="(\w+)"/.exec(await answer.text())?.[1] ?? "";
      // oxlint-disable-next-line no-await-in-loop -- one page leads to the next
      answer = await ask(url, { prompt, login, password: "any" });
    }
    const next = answer.headers.get("location");
    // oxlint-disable-next-line no-await-in-loop -- only where it ends
    if (next === null) throw new Error(`${url.href}: ${answer.status} ${await answer.text()}`);
    url = new URL(next, url);
  }
  throw new Error("the provider never sent the person back");
}

const STEPS_MAX = 20;

function memberOf(body: unknown, name: string): string {
  const value: unknown = typeof body === "object" && body !== null ? Reflect.get(body, name) : "";
  return String(value);
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
