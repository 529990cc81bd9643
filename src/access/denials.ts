/** What was refused because of who asked: counted, and told to the audit trail. To the caller, what is hidden looks unknown. */
import type { AuditSink, Counter, ErrorCode, Metrics } from "../foundation/index.ts";
import type { Principal } from "./principal.ts";
import type { Scope } from "./scope.ts";

export interface Denial {
  readonly principal: Principal;
  /** What was lacking. */
  readonly scope: Scope;
  /** What was asked for, as `kind:name`. */
  readonly target: string;
  readonly code: ErrorCode;
  readonly requestId: string;
  readonly address?: string | undefined;
}

export class Denials {
  readonly #audit: AuditSink | undefined;
  readonly #counter: Counter;

  constructor(metrics: Metrics, audit: AuditSink | undefined) {
    this.#audit = audit;
    this.#counter = metrics.counter(
      "mcp_authz_denied_total",
      "Requests refused because of what their principal may do, by the scope they needed.",
      ["scope"],
    );
  }

  add({ principal, scope, target, code, requestId, address }: Denial): void {
    const { id, name, kind, role, project } = principal;
    this.#counter.slot(scope).inc();
    this.#audit?.({
      action: "access.deny",
      actor: { id, name, kind },
      target,
      project,
      outcome: "denied",
      code,
      details: { role, scope },
      requestId,
      ...(address !== undefined && { address }),
    });
  }
}
