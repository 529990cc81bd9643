export const roles = ["admin", "operator", "caller"] as const;

/** What a key's holder is: callers use tools, operators also watch and steer servers, admins also change what exists. */
export type Role = (typeof roles)[number];

/** Who calls. `bundles` limits a principal to named bundles; "all" also opens the endpoint without a bundle. */
export interface Principal {
  id: string;
  name: string;
  role: Role;
  bundles: readonly string[] | "all";
  /** How it proved who it is; left out where it was a key. */
  kind?: "token" | "network";
  keyId?: string;
  /** What its token was granted, with all that this includes; without it the role alone decides. */
  scopes?: ReadonlySet<string>;
  /** The project its token names. */
  project?: string;
  /** When its token ends, epoch milliseconds: what it has open then ends too. */
  expiresAt?: number;
}

/** Who calls where authentication is switched off: allowed on a loopback bind only, and never more than a caller. */
export const anonymous: Principal = Object.freeze({
  id: "anonymous",
  name: "anonymous",
  role: "caller",
  bundles: "all",
});

/** Whether a principal may use a bundle; `undefined` stands for the endpoint that offers everything. */
export function mayUseBundle(
  principal: Pick<Principal, "bundles">,
  bundle: string | undefined,
): boolean {
  if (principal.bundles === "all") return true;
  return bundle !== undefined && principal.bundles.includes(bundle);
}
