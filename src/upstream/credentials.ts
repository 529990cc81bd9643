/** Where the tokens come from that requests to one server carry; whoever owns the connections implements it. */
export interface Credentials {
  /**
   * The value of `Authorization` for a principal, or for the gateway's own requests, without waiting: "" where the request
   * goes without, undefined where `get` has to be asked.
   */
  now(subject: string | undefined): string | undefined;
  /** As `now`, after whatever that takes. Rejects with SignalboxError. */
  get(subject: string | undefined): Promise<string>;
  /** Another value after the server refused one. Rejects with the SignalboxError that says why there is none. */
  refused(refusal: CredentialRefusal): Promise<string>;
}

export interface CredentialRefusal {
  readonly subject: string | undefined;
  /** What the request carried. */
  readonly used: string;
  readonly status: number;
  /** `WWW-Authenticate`. */
  readonly challenge: string | undefined;
}

/** The credentials of a lane: a server's, and whose they are where a request does not say. */
export interface LaneCredentials {
  readonly of: Credentials;
  readonly subject: string | undefined;
}

/** A request is sent again with other credentials at most so often: once renewed, once with more scopes. */
export const REFUSALS_MAX = 2;

/** Whether a server's no is about the token that a request carried. */
export function isAboutToken(status: number, challenge: string | undefined): boolean {
  return status === 401 || (status === 403 && challenge?.includes("insufficient_scope") === true);
}

/** `headers` with what is at hand for the lane; for requests that nobody waits for, such as notifications. */
export function authorized(
  headers: readonly string[],
  credentials: LaneCredentials | undefined,
): string[] {
  const value = credentials?.of.now(credentials.subject);
  return value === undefined || value === "" ? [...headers] : [...headers, "authorization", value];
}
