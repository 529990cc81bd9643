// An official client that signs in: with the state that its OAuth provider has to keep, and one face for both SDKs.
import {
  Client,
  StreamableHTTPClientTransport,
  UnauthorizedError,
  type OAuthClientProvider,
  type OAuthDiscoveryState,
  type StoredOAuthClientInformation,
  type StoredOAuthTokens,
} from "@modelcontextprotocol/client";
import { UnauthorizedError as OldUnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import {
  StreamableHTTPClientTransport as OldTransport,
  StreamableHTTPError,
} from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { CallToolResultSchema } from "@modelcontextprotocol/sdk/types.js";

export type SdkKind = "client 2.4.0" | "sdk 1.32.2";

/** Whether something went on, or the SDK wants its person to sign in first: `leadsTo` then says where. */
export type Outcome = "connected" | "sign in";

/** One application's client at one endpoint. */
export class SigningIn {
  tokens: StoredOAuthTokens | undefined;
  readonly #url: URL;
  readonly #make: () => Sdk;
  #sdk: Sdk;
  #leadsTo: URL | undefined;
  #client: StoredOAuthClientInformation | undefined;
  #verifier = "";
  #discovered: OAuthDiscoveryState | undefined;

  constructor(kind: SdkKind, url: string, redirectUri: string) {
    this.#url = new URL(url);
    const provider = this.#provider(redirectUri);
    this.#make = () =>
      kind === "client 2.4.0" ? newSdk(this.#url, provider) : oldSdk(this.#url, provider);
    this.#sdk = this.#make();
  }

  get leadsTo(): URL {
    if (this.#leadsTo === undefined) throw new Error("nobody was asked to sign in");
    return this.#leadsTo;
  }

  get clientId(): string {
    return this.#client?.client_id ?? "";
  }

  /** Connects, with the tokens there are. */
  async connect(): Promise<Outcome> {
    await this.#sdk.close();
    this.#sdk = this.#make();
    return (await unlessUnauthorized(this.#sdk.connect())) === undefined ? "sign in" : "connected";
  }

  /** Redeems what the person came back with. */
  async finish(answer: URLSearchParams): Promise<void> {
    await this.#sdk.finish(answer);
  }

  /** The text of a tool's result, or that the person has to sign in. */
  async call(name: string): Promise<string> {
    try {
      return (await unlessUnauthorized(this.#sdk.call(name))) ?? "sign in";
    } catch (error) {
      // Where more scopes are asked for SDK 1.32.2 renews its token, which brings no more; its application has to see to it.
      if (!(error instanceof StreamableHTTPError && error.code === 403)) throw error;
      this.#forgetRefreshToken();
      await this.connect();
      return (await unlessUnauthorized(this.#sdk.call(name))) ?? "sign in";
    }
  }

  /** Becomes another client to the provider the next time that the person has to sign in. */
  registerAnew(): void {
    this.#client = undefined;
    this.#forgetRefreshToken();
  }

  async close(): Promise<void> {
    await this.#sdk.close();
  }

  #forgetRefreshToken(): void {
    if (this.tokens !== undefined) delete this.tokens.refresh_token;
  }

  #provider(redirectUri: string): OAuthClientProvider {
    return {
      redirectUrl: redirectUri,
      clientMetadata: {
        client_name: "App of the tests",
        redirect_uris: [redirectUri],
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        token_endpoint_auth_method: "none",
      },
      clientInformation: () => this.#client,
      saveClientInformation: (client) => void (this.#client = client),
      tokens: () => this.tokens,
      saveTokens: (tokens) => void (this.tokens = tokens),
      redirectToAuthorization: (url) => void (this.#leadsTo = url),
      saveCodeVerifier: (verifier) => void (this.#verifier = verifier),
      codeVerifier: () => this.#verifier,
      saveDiscoveryState: (found) => void (this.#discovered = found),
      discoveryState: () => this.#discovered,
      invalidateCredentials: (what) => {
        if (what === "tokens" || what === "all") this.tokens = undefined;
      },
    };
  }
}

interface Sdk {
  connect(): Promise<"connected">;
  finish(answer: URLSearchParams): Promise<void>;
  call(name: string): Promise<string>;
  close(): Promise<void>;
}

const info = { name: "app", version: "1.0.0" };

function newSdk(url: URL, authProvider: OAuthClientProvider): Sdk {
  const client = new Client(info);
  const transport = new StreamableHTTPClientTransport(url, { authProvider });
  return {
    connect: async () => {
      await client.connect(transport);
      return "connected";
    },
    finish: (answer) => transport.finishAuth(answer),
    call: async (name) => JSON.stringify((await client.callTool({ name, arguments: {} })).content),
    close: () => client.close(),
  };
}

function oldSdk(url: URL, authProvider: OAuthClientProvider): Sdk {
  const client = new OldClient(info);
  const transport = new OldTransport(url, { authProvider });
  return {
    connect: async () => {
      await client.connect(transport);
      return "connected";
    },
    finish: (answer) => transport.finishAuth(answer.get("code") ?? ""),
    call: async (name) => {
      const result = await client.callTool({ name, arguments: {} });
      return JSON.stringify(CallToolResultSchema.parse(result).content);
    },
    close: () => client.close(),
  };
}

async function unlessUnauthorized<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof UnauthorizedError || error instanceof OldUnauthorizedError)
      return undefined;
    throw error;
  }
}
