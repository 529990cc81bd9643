// Where connections are kept: everything secret in them is sealed before it gets here.

/** A connection as it is kept: who is connected to which server. Times are epoch milliseconds. */
export interface ConnectionRow {
  readonly server: string;
  /** The principal, or `GATEWAY_SUBJECT`. */
  readonly subject: string;
  readonly issuer: string;
  readonly scopes: readonly string[];
  /** The tokens, sealed. */
  readonly sealed: string;
  /** Another one with every change, so that who holds an older one knows; never 0. */
  readonly version: number;
  readonly expiresAt?: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export type NewConnection = Pick<
  ConnectionRow,
  "server" | "subject" | "issuer" | "scopes" | "sealed" | "expiresAt"
>;

/** The one connection that all callers of a server share. No principal has this id. */
export const GATEWAY_SUBJECT = "@gateway";

/** A consent that is under way. */
export interface FlowRow {
  /** SHA-256 of the `state` value. */
  readonly stateHash: string;
  /** The start link it came from, which works once. */
  readonly nonce: string;
  readonly sealed: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

/** Methods reject with STORE_UNAVAILABLE while the database is away. */
export interface ConnectionStore {
  get(server: string, subject: string): Promise<ConnectionRow | undefined>;
  /** The connections of a subject, or of all where it is left out. */
  list(subject?: string): Promise<readonly ConnectionRow[]>;
  /** The subject whose connection to a server is the newest. */
  newestSubject(server: string): Promise<string | undefined>;
  /** Stores a new connection in place of what is there; its version. */
  put(connection: NewConnection): Promise<number>;
  /** Stores other tokens of the same connection; undefined where `version` is no longer the one that is there. */
  renew(connection: NewConnection, version: number): Promise<number | undefined>;
  /** What was removed, so that it can be revoked; with a version, only that one. */
  remove(server: string, subject: string, version?: number): Promise<ConnectionRow | undefined>;
  removeOfSubjects(subjects: readonly string[]): Promise<readonly ConnectionRow[]>;
  /** Takes the right to renew version `version` for `leaseMs`; false where somebody has it, or has renewed it. */
  lease(server: string, subject: string, version: number, leaseMs: number): Promise<boolean>;
  /** Gives the right back unused. */
  release(server: string, subject: string): Promise<void>;
  client(issuer: string, redirectUri: string): Promise<string | undefined>;
  putClient(issuer: string, redirectUri: string, sealed: string): Promise<void>;
  removeClient(issuer: string, redirectUri: string): Promise<void>;
  /** False where its start link was used before, or too many are under way. */
  putFlow(flow: FlowRow): Promise<boolean>;
  /** The flow, which then is no more. */
  takeFlow(stateHash: string): Promise<FlowRow | undefined>;
}

/** The store that there is when it is asked; `store` throws STORE_UNAVAILABLE while there is none. */
export function lateConnectionStore(store: () => ConnectionStore): ConnectionStore {
  return {
    get: async (...given) => store().get(...given),
    list: async (...given) => store().list(...given),
    newestSubject: async (...given) => store().newestSubject(...given),
    put: async (...given) => store().put(...given),
    renew: async (...given) => store().renew(...given),
    remove: async (...given) => store().remove(...given),
    removeOfSubjects: async (...given) => store().removeOfSubjects(...given),
    lease: async (...given) => store().lease(...given),
    release: async (...given) => store().release(...given),
    client: async (...given) => store().client(...given),
    putClient: async (...given) => store().putClient(...given),
    removeClient: async (...given) => store().removeClient(...given),
    putFlow: async (...given) => store().putFlow(...given),
    takeFlow: async (...given) => store().takeFlow(...given),
  };
}
