// The tokens that stand in `Authorization: Bearer` beside keys. One that was found right is kept by its hash until it ends, so
// that a call with it costs a hash and a lookup; only one that was not seen before makes a call wait, for its signature to be
// checked or its issuer to answer. Each endpoint then asks whether the token was issued for it.
import { hash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { messageOf, type Clock, type Log } from "../../foundation/index.ts";
import type { AuthOutcome, AuthRefusal } from "../auth-outcome.ts";
import type { FetchJson } from "../fetch-json.ts";
import { Issuer } from "./issuer.ts";
import type { JwtOptions } from "./jwt-options.ts";
import type { OAuthOptions } from "./oauth-options.ts";
import type { ProtectedResources } from "./protected-resources.ts";
import {
  looksSigned,
  readUnverified,
  verifiedOf,
  verifyIssued,
  verifyShared,
  type TokenVerdict,
} from "./signed-token.ts";
import type { Claims, VerifiedToken } from "./token-principal.ts";
import { tokenRefusal } from "./token-refusal.ts";

export interface BearerTokensDeps {
  readonly jwt: JwtOptions;
  readonly oauth: OAuthOptions;
  readonly resources: ProtectedResources;
  readonly fetchJson: FetchJson;
  readonly clock: Clock;
  readonly log: Log;
}

export class BearerTokens {
  readonly #deps: BearerTokensDeps;
  readonly #issuers: readonly Issuer[];
  readonly #good = new Map<string, Kept>();
  /** What an issuer said no to, for as long as its answer counts. */
  readonly #bad = new Map<string, { readonly verdict: AuthRefusal; readonly until: number }>();
  readonly #pending = new Map<string, Promise<TokenVerdict>>();

  constructor(deps: BearerTokensDeps) {
    this.#deps = deps;
    this.#issuers = Object.entries(deps.oauth.issuers).map(
      ([name, options]) => new Issuer(name, options, deps),
    );
  }

  /** The outcome for a token that was found right before; undefined where it has to be looked at. */
  known(headers: IncomingHttpHeaders, place: string): AuthOutcome | undefined {
    const { authorization } = headers;
    if (authorization === undefined || authorization.startsWith(MINTED_KEY)) return undefined;
    const digest = hash("sha256", authorization, "base64");
    const kept = this.#good.get(digest);
    if (kept === undefined) return undefined;
    if (kept.token.goodUntil <= this.#deps.clock.now()) {
      this.#good.delete(digest);
      return undefined;
    }
    return hasOtherCredential(headers) ? undefined : this.#at(place, kept);
  }

  /** Looks at what stands in `Authorization`; undefined where that is no token of ours to judge, but perhaps a key. */
  verify(
    headers: IncomingHttpHeaders,
    place: string,
  ): AuthOutcome | Promise<AuthOutcome> | undefined {
    const { authorization } = headers;
    if (authorization === undefined || !bearerScheme.test(authorization)) return undefined;
    const token = bearerShape.exec(authorization)?.[1];
    if (token === undefined) return MALFORMED;
    if (hasOtherCredential(headers)) return undefined;
    const check = this.#checkOf(token);
    if (check === undefined) return undefined;
    if (typeof check === "object") return check;
    return this.#once(hash("sha256", authorization, "base64"), place, check);
  }

  // How a token is checked; at once where there is nothing to check.
  #checkOf(token: string): (() => Promise<TokenVerdict>) | AuthRefusal | undefined {
    const { jwt, clock } = this.#deps;
    if (!looksSigned(token)) {
      const issuer = this.#issuers.find(({ options }) => options.introspect !== "never");
      // A key of ours, or what looks like one, is nobody else's business.
      if (issuer === undefined || token.startsWith("sbx_")) return undefined;
      return () => this.#introspected(token, issuer);
    }
    const read = readUnverified(token);
    if (read === undefined) return tokenRefusal("oauth", "malformed");
    if (read.alg.startsWith("HS")) {
      const { secret } = jwt;
      if (secret === undefined || read.alg !== "HS256") return tokenRefusal("jwt", "algorithm");
      return () => verifyShared(token, { ...jwt, secret }, clock);
    }
    if (this.#issuers.length === 0) return tokenRefusal("jwt", "algorithm");
    const issuer = this.#issuers.find(({ options }) => options.issuer === read.iss);
    if (issuer === undefined) return tokenRefusal("oauth", "issuer");
    return () => this.#issued(token, issuer);
  }

  async #issued(token: string, issuer: Issuer): Promise<TokenVerdict> {
    const verdict = await verifyIssued(token, issuer, this.#deps.clock);
    if ("ok" in verdict || issuer.options.introspect !== "always") return verdict;
    const asked = await this.#introspected(token, issuer);
    if ("ok" in asked) return asked;
    return { ...verdict, goodUntil: Math.min(verdict.goodUntil, asked.goodUntil) };
  }

  async #introspected(token: string, issuer: Issuer): Promise<TokenVerdict> {
    const claims = await issuer.introspect(token);
    if (claims === undefined) return tokenRefusal("oauth", "inactive");
    const { options } = issuer;
    const now = this.#deps.clock.now();
    const [expiresAt, notBefore] = [timeOf(claims, "exp"), timeOf(claims, "nbf")];
    if (expiresAt !== undefined && expiresAt + options.clock_skew <= now) {
      return tokenRefusal("oauth", "expired");
    }
    if (notBefore !== undefined && notBefore - options.clock_skew > now) {
      return tokenRefusal("oauth", "not_yet_valid");
    }
    if (claims["iss"] !== undefined && claims["iss"] !== options.issuer) {
      return tokenRefusal("oauth", "issuer");
    }
    const type = claims["token_type"];
    if (typeof type === "string" && !/^(bearer|access_token)$/i.test(type)) {
      return tokenRefusal("oauth", "type");
    }
    const goodUntil = Math.min(now + options.introspection_age_max, expiresAt ?? Infinity);
    return verifiedOf(claims, issuer, goodUntil, expiresAt);
  }

  // Calls that come with the same new token at the same time wait for one check.
  async #once(
    digest: string,
    place: string,
    check: () => Promise<TokenVerdict>,
  ): Promise<AuthOutcome> {
    const bad = this.#bad.get(digest);
    if (bad !== undefined && bad.until > this.#deps.clock.now()) return bad.verdict;
    let pending = this.#pending.get(digest);
    if (pending === undefined) {
      if (this.#pending.size >= PENDING_MAX) return tokenRefusal("oauth", "busy");
      pending = this.#keep(digest, check).finally(() => this.#pending.delete(digest));
      this.#pending.set(digest, pending);
    }
    const verdict = await pending;
    if ("ok" in verdict) return verdict;
    return this.#at(place, { token: verdict, outcome: { ok: true, principal: verdict.principal } });
  }

  async #keep(digest: string, check: () => Promise<TokenVerdict>): Promise<TokenVerdict> {
    let verdict: TokenVerdict;
    try {
      verdict = await check();
    } catch (error) {
      this.#deps.log.warn({ problem: messageOf(error) }, "A token could not be checked");
      return tokenRefusal("oauth", "unavailable");
    }
    if (!("ok" in verdict)) {
      const outcome = Object.freeze({ ok: true, principal: verdict.principal });
      remember(this.#good, digest, { token: verdict, outcome });
    } else if (verdict.reason === "inactive") {
      remember(this.#bad, digest, { verdict, until: this.#deps.clock.now() + BAD_FOR_MS });
    }
    return verdict;
  }

  #at(place: string, { token, outcome }: Kept): AuthOutcome {
    if (token.everywhere) return outcome;
    const uri = this.#deps.resources.uriOf(place);
    if (token.audiences?.has(uri) === true) return outcome;
    const message = `The token was issued for another resource; this one is ${uri}.`;
    return tokenRefusal(token.method, "audience", message);
  }
}

interface Kept {
  readonly token: VerifiedToken;
  readonly outcome: AuthOutcome;
}

/** The tokens a gateway accepts; undefined where it accepts none. */
export function bearerTokens(deps: BearerTokensDeps): BearerTokens | undefined {
  const any = deps.jwt.secret !== undefined || Object.keys(deps.oauth.issuers).length > 0;
  return any ? new BearerTokens(deps) : undefined;
}

// The oldest leaves when it is full.
function remember<T>(memory: Map<string, T>, digest: string, entry: T): void {
  memory.delete(digest);
  if (memory.size >= KEPT_MAX) {
    const oldest = memory.keys().next();
    if (oldest.done !== true) memory.delete(oldest.value);
  }
  memory.set(digest, entry);
}

function hasOtherCredential(headers: IncomingHttpHeaders): boolean {
  return headers["x-api-key"] !== undefined || headers["x-mcp-key"] !== undefined;
}

function timeOf(claims: Claims, name: string): number | undefined {
  const seconds = claims[name];
  return typeof seconds === "number" && Number.isFinite(seconds) ? seconds * 1000 : undefined;
}

const KEPT_MAX = 5_000;
const PENDING_MAX = 500;
const BAD_FOR_MS = 10_000;
const MINTED_KEY = "Bearer sbx_";
const bearerScheme = /^bearer(?:\s|$)/i;
/** RFC 6750, section 2.1. */
const bearerShape = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i;

const MALFORMED: AuthRefusal = {
  ok: false,
  code: "CREDENTIAL_MALFORMED",
  message: "Send one `Authorization: Bearer <token>` with nothing else in it.",
  method: "oauth",
  reason: "malformed",
};
