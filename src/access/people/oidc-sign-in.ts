// Signing in with an identity provider: OpenID Connect's authorization code flow with PKCE, `state` and `nonce`. What must be
// known when the browser comes back is sealed in a cookie of that browser, so that an answer is of use in no other one, and
// nothing is kept that strangers could fill up. Who the provider vouches for is known by its issuer and subject; the first
// time, by an e-mail address that the provider has verified and an administrator has written down.
import {
  allowInsecureRequests,
  authorizationCodeGrantRequest,
  calculatePKCECodeChallenge,
  customFetch,
  discoveryRequest,
  generateRandomCodeVerifier,
  generateRandomNonce,
  generateRandomState,
  getValidatedIdTokenClaims,
  processAuthorizationCodeResponse,
  processDiscoveryResponse,
  processUserInfoResponse,
  userInfoRequest,
  validateApplicationLevelSignature,
  validateAuthResponse,
  type AuthorizationServer,
} from "oauth4webapi";
import { z } from "zod";
import {
  GATEWAY_ACTOR,
  SignalboxError,
  isSignalboxError,
  messageOf,
  newId,
  type AuditSink,
  type Clock,
} from "../../foundation/index.ts";
import { clientAuthentication, type OAuthClient } from "../oauth-client/client-authentication.ts";
import { libraryFetch, oauthErrorOf } from "../oauth-client/library-fetch.ts";
import type { OutboundFetch } from "../outbound-fetch.ts";
import { textAt, wordsAt } from "../resource-server/token-principal.ts";
import type { TextSealer } from "../sealer.ts";
import type { PasswordCheck } from "./password-check.ts";
import { personNameShape } from "./people.ts";
import type { OidcOptions } from "./people-options.ts";
import type { PeopleStore, PersonChanges, PersonRow, RequestFrom } from "./person.ts";
import { returnPath } from "./return-path.ts";
import type { OpenedSession, Sessions } from "./sessions.ts";
import { signedInEvent } from "./sign-in.ts";

export interface OidcSignInDeps {
  readonly options: OidcOptions;
  readonly store: PeopleStore;
  readonly sessions: Sessions;
  readonly passwords: Pick<PasswordCheck, "failed">;
  readonly http: Pick<OutboundFetch, "fetch">;
  readonly sealer: TextSealer;
  readonly clock: Clock;
  readonly audit: AuditSink;
  /** Throws ROLE_NOT_FOUND. */
  readonly requireRole: (name: string) => void;
  /** Where browsers reach the gateway, such as `https://gateway.example.com`. */
  readonly publicUrl: () => string;
}

const CALLBACK_PATH = "/auth/oidc/callback";

export class OidcSignIn {
  readonly #deps: OidcSignInDeps;
  readonly #client: OAuthClient;
  #found: { readonly metadata: AuthorizationServer; readonly at: number } | undefined;

  constructor(deps: OidcSignInDeps) {
    this.#deps = deps;
    const { client_id, client_secret } = deps.options;
    this.#client = { client_id, ...(client_secret !== undefined && { client_secret }) };
  }

  /** How the sign-in page calls the provider. */
  get title(): string {
    const { title, issuer } = this.#deps.options;
    return title ?? new URL(issuer).host;
  }

  /** Where to send the browser, and what its cookie holds meanwhile. Rejects with OIDC_FAILED. */
  async begin(returnTo: string | undefined): Promise<{ url: string; cookie: string }> {
    const metadata = await this.#metadata();
    const flow: Flow = {
      state: generateRandomState(),
      nonce: generateRandomNonce(),
      verifier: generateRandomCodeVerifier(),
      returnTo: returnPath(returnTo),
      expiresAt: this.#deps.clock.now() + oidcFlowMs,
    };
    const url = authorizationEndpoint(metadata);
    const parameters = {
      response_type: "code",
      client_id: this.#client.client_id,
      redirect_uri: this.#redirectUri(),
      scope: this.#deps.options.scopes.join(" "),
      state: flow.state,
      nonce: flow.nonce,
      code_challenge: await calculatePKCECodeChallenge(flow.verifier),
      code_challenge_method: "S256",
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return { url: url.href, cookie: this.#deps.sealer.seal(JSON.stringify(flow)) };
  }

  /** Signs in whom the provider's answer speaks of. Rejects with SIGN_IN_FAILED, OIDC_FAILED. */
  async finish(
    answer: URLSearchParams,
    cookie: string | undefined,
    from: RequestFrom,
  ): Promise<{ opened: OpenedSession; returnTo: string }> {
    const flow = this.#flowOf(cookie);
    if (flow === undefined) throw this.#deps.passwords.failed("provider", from);
    const claims = await this.#claimsOf(answer, flow, from);
    const person = await this.#personOf(claims);
    if (person === undefined || person.disabledAt !== undefined)
      throw this.#deps.passwords.failed("not_permitted", from, person);
    const opened = await this.#deps.sessions.open(person, "oidc");
    this.#deps.audit(
      signedInEvent(person, { method: "oidc", issuer: this.#deps.options.issuer }, from),
    );
    return { opened, returnTo: flow.returnTo };
  }

  #flowOf(cookie: string | undefined): Flow | undefined {
    const text = cookie === undefined ? undefined : this.#deps.sealer.open(cookie);
    if (text === undefined) return undefined;
    const flow = flowSchema.parse(JSON.parse(text));
    return flow.expiresAt > this.#deps.clock.now() ? flow : undefined;
  }

  // The library checks issuer, state, nonce, audience, times and hashes; the signature as well, so that nothing depends on
  // how the token endpoint was reached.
  async #claimsOf(answer: URLSearchParams, flow: Flow, from: RequestFrom): Promise<Claims> {
    const metadata = await this.#metadata();
    const client = { client_id: this.#client.client_id };
    let parameters: URLSearchParams;
    try {
      parameters = validateAuthResponse(metadata, client, answer, flow.state);
    } catch (error) {
      if (oauthErrorOf(error) !== undefined) throw failure("it says no", error);
      throw this.#deps.passwords.failed("provider", from);
    }
    try {
      const response = await authorizationCodeGrantRequest(
        metadata,
        client,
        clientAuthentication(this.#client, tokenEndpointOf(metadata)),
        parameters,
        this.#redirectUri(),
        flow.verifier,
        this.#way(),
      );
      const tokens = await processAuthorizationCodeResponse(metadata, client, response, {
        expectedNonce: flow.nonce,
        requireIdToken: true,
      });
      await validateApplicationLevelSignature(metadata, response, this.#way());
      const claims = getValidatedIdTokenClaims(tokens);
      if (claims === undefined) throw new Error("there is no ID token");
      if (claims["email"] !== undefined || metadata.userinfo_endpoint === undefined) return claims;
      // Many providers give an ID token without what the scopes ask for, and have it asked for here.
      const info = await userInfoRequest(metadata, client, tokens.access_token, this.#way());
      return { ...(await processUserInfoResponse(metadata, client, claims.sub, info)), ...claims };
    } catch (error) {
      throw failure("the code could not be exchanged", error);
    }
  }

  async #personOf(claims: Claims): Promise<PersonRow | undefined> {
    const { store, options } = this.#deps;
    const subject = textAt(claims, "sub");
    const email = verifiedEmailOf(claims);
    if (subject === undefined || !this.#domainFits(email)) return undefined;
    const role = this.#roleOf(claims);
    if (role === null) return undefined;
    const oidc = { issuer: options.issuer, subject };
    const known = await store.ofSubject(oidc.issuer, subject);
    if (known !== undefined) return await this.#brought(known, { role });
    const named = email === undefined ? undefined : await store.called(email);
    if (named !== undefined) {
      // The address may have gone to somebody else since.
      return named.oidc === undefined ? await this.#brought(named, { role, oidc }) : undefined;
    }
    const given = role ?? options.default_role;
    return options.create && given !== undefined
      ? await this.#created(claims, { role: given, oidc, email })
      : undefined;
  }

  #domainFits(email: string | undefined): boolean {
    const domains = this.#deps.options.email_domains;
    return domains.length === 0 || domains.includes(email?.split("@").at(-1) ?? "");
  }

  /** The role by what the provider says; undefined where it is not asked, null where it gives none. */
  #roleOf(claims: Claims): string | null | undefined {
    const { roles, roles_claim, default_role } = this.#deps.options;
    const mapped = Object.entries(roles);
    if (mapped.length === 0) return undefined;
    const words = wordsAt(claims, roles_claim) ?? [];
    const role = mapped.find(([word]) => words.includes(word))?.[1] ?? default_role;
    if (role === undefined) return null;
    this.#deps.requireRole(role);
    return role;
  }

  // A role taken away at the provider must not go on in other sessions.
  async #brought(
    person: PersonRow,
    { role, oidc }: { role: string | undefined; oidc?: PersonRow["oidc"] },
  ): Promise<PersonRow | undefined> {
    const { store, sessions, clock } = this.#deps;
    if (person.disabledAt !== undefined) return person;
    const other = role !== undefined && role !== person.role;
    if (!other && oidc === undefined) return person;
    const changes: PersonChanges = { ...(other && { role }), ...(oidc !== undefined && { oidc }) };
    const changed = await store.update(person.id, changes, clock.now(), other ? {} : undefined);
    sessions.forget();
    if (changed !== undefined) this.#tell("person.update", changed, { role: person.role });
    return changed;
  }

  async #created(
    claims: Claims,
    { role, oidc, email }: { role: string; oidc: PersonRow["oidc"]; email: string | undefined },
  ): Promise<PersonRow> {
    const { store, clock, options } = this.#deps;
    const at = clock.now();
    const person: PersonRow = {
      id: newId("person"),
      name: await this.#freeName(claims, email),
      ...(email !== undefined && { email }),
      role,
      project: options.project,
      recoveryHashes: [],
      ...(oidc !== undefined && { oidc }),
      createdAt: at,
      updatedAt: at,
    };
    await store.insert(person);
    this.#tell("person.create", person);
    return person;
  }

  async #freeName(claims: Claims, email: string | undefined): Promise<string> {
    const wished = textAt(claims, "preferred_username") ?? email ?? "";
    const plain = (wished.split("@")[0] ?? "").toLowerCase().replaceAll(/[^a-z0-9._-]+/g, "-");
    const name = plain.replace(/^[^a-z0-9]+/, "").slice(0, 48);
    const free = personNameShape.test(name) && (await this.#deps.store.called(name)) === undefined;
    return free ? name : `${name === "" ? "person" : name}-${newId().slice(-8)}`;
  }

  #tell(action: string, person: PersonRow, before?: { readonly role: string }): void {
    const { id, name, role, project } = person;
    this.#deps.audit({
      action,
      actor: GATEWAY_ACTOR,
      target: `person:${id}`,
      project,
      outcome: "ok",
      ...(before !== undefined && { before }),
      after: { name, role, project },
      details: { by: "oidc", issuer: this.#deps.options.issuer },
    });
  }

  async #metadata(): Promise<AuthorizationServer> {
    const now = this.#deps.clock.monotonicMs();
    if (this.#found !== undefined && now - this.#found.at < METADATA_MS)
      return this.#found.metadata;
    const issuer = new URL(this.#deps.options.issuer);
    try {
      const response = await discoveryRequest(issuer, { algorithm: "oidc", ...this.#way() });
      const metadata = await processDiscoveryResponse(issuer, response);
      this.#found = { metadata, at: now };
      return metadata;
    } catch (error) {
      throw failure("its metadata could not be read", error);
    }
  }

  // The operator named the issuer; what its metadata names elsewhere is judged like any address.
  #way(): { [customFetch]: ReturnType<typeof libraryFetch>; [allowInsecureRequests]: true } {
    const { http, options } = this.#deps;
    const trustedOrigin = new URL(options.issuer).origin;
    const trusting = libraryFetch({
      fetch: (url, init) => http.fetch(url, { ...init, trustedOrigin }),
    });
    return { [customFetch]: trusting, [allowInsecureRequests]: true };
  }

  #redirectUri(): string {
    return `${this.#deps.publicUrl()}${CALLBACK_PATH}`;
  }
}

/** How long somebody may take at the provider. */
export const oidcFlowMs = 10 * 60_000;
const METADATA_MS = 10 * 60_000;

type Claims = Readonly<Record<string, unknown>>;

const flowSchema = z.object({
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  returnTo: z.string(),
  expiresAt: z.number(),
});
type Flow = z.output<typeof flowSchema>;

function verifiedEmailOf(claims: Claims): string | undefined {
  if (claims["email_verified"] !== true) return undefined;
  const email = textAt(claims, "email")?.toLowerCase();
  return email !== undefined && /^[^\s@]+@[^\s@]+$/.test(email) ? email : undefined;
}

// A browser is sent there, so nothing but a web page may be meant.
function authorizationEndpoint({ issuer, authorization_endpoint }: AuthorizationServer): URL {
  const url = URL.parse(authorization_endpoint ?? "");
  const local = url !== null && ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (url?.protocol === "https:" || (url?.protocol === "http:" && local)) return url;
  throw new SignalboxError("OIDC_FAILED", `${issuer} names no https address at which to sign in.`);
}

function tokenEndpointOf(
  metadata: AuthorizationServer,
): Parameters<typeof clientAuthentication>[1] {
  const { issuer, token_endpoint = "", token_endpoint_auth_methods_supported: methods } = metadata;
  return {
    issuer,
    token_endpoint,
    ...(methods !== undefined && { token_endpoint_auth_methods_supported: methods }),
  };
}

function failure(what: string, error: unknown): SignalboxError {
  if (isSignalboxError(error)) return error;
  const code = oauthErrorOf(error);
  const why = code === undefined ? messageOf(error) : `"${code}"`;
  return new SignalboxError(
    "OIDC_FAILED",
    `The identity provider did not sign you in: ${what}: ${why}.`,
    {
      ...(code !== undefined && { details: { oauthError: code } }),
      // The library's errors hold the whole response.
      cause: new Error(error instanceof Error ? error.name : "unknown"),
    },
  );
}
