import type { Principal } from "./principal.ts";

/** How a credential proves who calls. */
export type AuthMethod = "key" | "jwt" | "oauth" | "network" | "session" | "password" | "oidc";

export type AuthCode =
  | "KEY_MISSING"
  | "KEY_INVALID"
  | "KEY_EXPIRED"
  | "KEY_REVOKED"
  | "TOKEN_INVALID"
  | "TOKEN_EXPIRED"
  | "TOKEN_AUDIENCE"
  | "CREDENTIAL_MALFORMED"
  | "SESSION_INVALID"
  | "SIGN_IN_FAILED"
  | "AUTH_LOCKED"
  | "AUTH_UNAVAILABLE";

export interface AuthRefusal {
  readonly ok: false;
  readonly code: AuthCode;
  readonly message: string;
  /** Which way of proving it was that failed; "key" where it is left out. */
  readonly method?: AuthMethod;
  /** Narrower than the code, one of a few words, for counters and the audit trail. */
  readonly reason?: string;
  /** What the HTTP answer carries: how to authenticate, when to try again. */
  readonly headers?: Readonly<Record<string, string>>;
}

export type AuthOutcome = { readonly ok: true; readonly principal: Principal } | AuthRefusal;
