/** Who did something: a principal, or the gateway itself. */
export interface AuditActor {
  readonly id: string;
  readonly name: string;
  /** How it proved who it is: "key", "token", "person", "network", "anonymous", "gateway". */
  readonly kind: string;
}

/**
 * A decision, or a change of configuration, as the audit trail keeps it. Nothing in it may be secret: whoever makes one
 * masks `before`, `after` and `details` first.
 */
export interface AuditEvent {
  /** What was done, as `kind.verb`: "key.create", "server.update", "auth.refuse", "access.deny", "secret.read". */
  readonly action: string;
  readonly actor: AuditActor;
  /** What it was done to, as `kind:name`: "server:files", "tool:files__read", "key:key_1". */
  readonly target?: string;
  readonly project?: string;
  readonly outcome: "ok" | "denied" | "failed";
  /** The code of the refusal or failure. */
  readonly code?: string;
  readonly before?: unknown;
  readonly after?: unknown;
  readonly details?: Readonly<Record<string, unknown>>;
  /** The socket's peer. */
  readonly address?: string;
  readonly requestId?: string;
}

/** Which request an event came of. */
export type AuditOrigin = Pick<AuditEvent, "address" | "requestId">;

/** Takes an event; neither waits nor throws. */
export type AuditSink = (event: AuditEvent) => void;

/** What the gateway does by itself. */
export const GATEWAY_ACTOR: AuditActor = { id: "gateway", name: "gateway", kind: "gateway" };
