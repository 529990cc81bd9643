/**
 * Who calls. What a request presents is asked for in this order: a token that was right before, a key, a token that is new;
 * the address it comes from and the anonymous caller count only where nothing was presented. What is presented and wrong is
 * never passed over for something weaker.
 */
import type { IncomingMessage } from "node:http";
import {
  anonymous,
  challengeScopes,
  looksSigned,
  type ApiScope,
  type AuthOutcome,
  type AuthRefusal,
  type BearerTokens,
  type KeyRing,
  type LockOut,
  type McpScope,
  type NetworkBypass,
  type Principal,
  type ProtectedResources,
  type RefusalReports,
} from "../../access/index.ts";
import { SignalboxError, type Counter, type Metrics } from "../../foundation/index.ts";

/** A request as far as it says who sends it. */
export type Presented = Pick<IncomingMessage, "headers" | "socket">;

export interface AuthenticateOptions {
  readonly required: boolean;
  readonly tokens?: BearerTokens | undefined;
  readonly bypass?: NetworkBypass | undefined;
  readonly lockOut?: LockOut | undefined;
  readonly resources?: ProtectedResources | undefined;
  readonly reports?: RefusalReports | undefined;
}

export class Authenticate {
  readonly #options: AuthenticateOptions;
  readonly #failures: Counter;

  constructor(metrics: Metrics, options: AuthenticateOptions) {
    this.#options = options;
    this.#failures = metrics.counter(
      "mcp_auth_failures_total",
      "Requests refused because of their credential.",
      ["method", "reason"],
    );
  }

  /** Who presents a request at a place such as `/mcp/coding`; a promise only where a token has to be looked at. */
  run(
    keys: KeyRing,
    request: Presented,
    place: string,
    requestId?: string,
  ): AuthOutcome | Promise<AuthOutcome> {
    const { tokens, lockOut } = this.#options;
    const { headers } = request;
    const known = tokens?.known(headers, place);
    if (known !== undefined) return this.#ended(known, request, place, requestId);
    if (lockOut?.idle === false && !keys.remembers(headers)) {
      const held = this.#held(lockOut, request);
      if (held !== undefined) return this.#ended(held, request, place, requestId);
    }
    const outcome = keys.authenticate(headers);
    if (outcome.ok) return outcome;
    if (outcome.code === "KEY_MISSING")
      return this.#unpresented(outcome, request, place, requestId);
    const token = outcome.code === "KEY_INVALID" ? tokens?.verify(headers, place) : undefined;
    if (token instanceof Promise) return this.#endedLater(token, request, place, requestId);
    return this.#ended(token ?? outcome, request, place, requestId);
  }

  /** The refusal where a principal's token lacks a scope; undefined where it has it or none limit it. */
  lacks(
    { scopes }: Principal,
    needed: McpScope | ApiScope,
    place: string,
  ): SignalboxError | undefined {
    if (scopes === undefined || scopes.has(needed)) return undefined;
    const asked = challengeScopes(needed);
    const challenge = this.#options.resources?.challenge(place, "insufficient_scope", asked);
    const message = `The token lacks the scope "${needed}".`;
    return new SignalboxError("TOKEN_SCOPE", message, {
      details: { scope: needed, scopes: asked },
      ...(challenge !== undefined && { headers: { "www-authenticate": challenge } }),
    });
  }

  async #endedLater(
    outcome: Promise<AuthOutcome>,
    request: Presented,
    place: string,
    requestId: string | undefined,
  ): Promise<AuthOutcome> {
    return this.#ended(await outcome, request, place, requestId);
  }

  #unpresented(
    missing: AuthRefusal,
    request: Presented,
    place: string,
    requestId: string | undefined,
  ): AuthOutcome {
    const { bypass, required } = this.#options;
    const admitted = bypass?.admit(request.socket.remoteAddress, request.headers);
    if (admitted?.ok === true) return admitted;
    if (!required) return ANONYMOUS;
    const refused = admitted !== undefined && admitted.reason !== "untrusted";
    const refusal = refused
      ? { ...missing, method: "network" as const, reason: admitted.reason }
      : missing;
    return this.#ended(refusal, request, place, requestId);
  }

  #held(lockOut: LockOut, { headers, socket }: Presented): AuthRefusal | undefined {
    const credential = credentialOf(headers);
    if (credential === undefined) return undefined;
    const guessable = this.#options.tokens === undefined || !looksSigned(credential);
    const heldMs = lockOut.heldFor(socket.remoteAddress, credential, guessable);
    if (heldMs === 0) return undefined;
    return {
      ok: false,
      code: "AUTH_LOCKED",
      message: "Too many wrong credentials came from here; wait before you send the next.",
      headers: { "retry-after": String(Math.ceil(heldMs / 1000)) },
    };
  }

  // Refusals are counted, told, and get what tells the client how to do better.
  #ended(
    outcome: AuthOutcome,
    { headers, socket }: Presented,
    place: string,
    requestId: string | undefined,
  ): AuthOutcome {
    if (outcome.ok) return outcome;
    const { lockOut, reports } = this.#options;
    const { code, method = "key", reason } = outcome;
    const wrong =
      code === "KEY_INVALID" || (code === "TOKEN_INVALID" && reason !== "not_yet_valid");
    const credential = wrong ? credentialOf(headers) : undefined;
    if (credential !== undefined) lockOut?.failed(socket.remoteAddress, credential);
    const why = code.toLowerCase();
    this.#failures.slot(method, reason === undefined ? why : `${why}_${reason}`).inc();
    reports?.tell(outcome, { address: socket.remoteAddress, requestId, place });
    return { ...outcome, headers: { ...this.#challengeFor(code, place), ...outcome.headers } };
  }

  #challengeFor(code: AuthRefusal["code"], place: string): Record<string, string> {
    if (code === "AUTH_LOCKED") return {};
    if (code === "AUTH_UNAVAILABLE") return { "retry-after": "5" };
    const challenge = this.#options.resources?.challenge(place, bearerErrorOf(code));
    return { "www-authenticate": challenge ?? 'Bearer realm="signalbox"' };
  }
}

// RFC 6750, section 3.1: who presented nothing is told of no error.
function bearerErrorOf(code: AuthRefusal["code"]): string | undefined {
  if (code === "KEY_MISSING") return undefined;
  return code === "CREDENTIAL_MALFORMED" ? "invalid_request" : "invalid_token";
}

/** The refusal as an error to answer with. */
export function refusalError({ code, message, headers, reason }: AuthRefusal): SignalboxError {
  return new SignalboxError(code, message, {
    ...(headers !== undefined && Object.keys(headers).length > 0 && { headers }),
    ...(reason !== undefined && { details: { reason } }),
  });
}

const ANONYMOUS: AuthOutcome = { ok: true, principal: anonymous };

// The first that is presented stands for all of them.
function credentialOf(headers: IncomingMessage["headers"]): string | undefined {
  const { authorization } = headers;
  if (authorization !== undefined) return authorization.replace(/^bearer +/i, "");
  const key = headers["x-api-key"] ?? headers["x-mcp-key"];
  return typeof key === "string" ? key : undefined;
}
