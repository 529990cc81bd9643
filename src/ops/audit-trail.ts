// The audit trail's writer. Events are taken without waiting, masked, and written in one chain behind everybody's back; while
// the database is away they wait, as far as there is room, and what is lost is counted and said.
import {
  messageOf,
  newId,
  redact,
  type AuditEvent,
  type AuditSink,
  type Clock,
  type Counter,
  type Log,
  type Metrics,
} from "../foundation/index.ts";
import { BatchQueue } from "./batch-queue.ts";

/** A record as the store takes it: values are JSON as text. */
export interface AuditEntry {
  readonly id: string;
  readonly at: number;
  readonly action: string;
  readonly actorId: string;
  readonly actorName: string;
  readonly actorKind: string;
  readonly target: string | null;
  readonly project: string | null;
  readonly outcome: string;
  readonly code: string | null;
  readonly before: string | null;
  readonly after: string | null;
  readonly details: string | null;
  readonly address: string | null;
  readonly requestId: string | null;
}

export interface AuditTrailDeps {
  /** Resolves when they are on the disk; throws STORE_UNAVAILABLE when they may be tried again. */
  readonly append: (entries: readonly AuditEntry[]) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export class AuditTrail {
  readonly #deps: AuditTrailDeps;
  readonly #queue: BatchQueue<AuditEntry>;
  readonly #entries: Counter;
  readonly #signals: Counter;

  constructor(deps: AuditTrailDeps) {
    const { metrics, log } = deps;
    this.#deps = deps;
    this.#entries = metrics.counter("mcp_audit_entries_total", "Records of the audit trail.", [
      "action",
      "outcome",
    ]);
    this.#signals = metrics.counter(
      "mcp_security_signals_total",
      "What an eye on security wants to know of: failed authentication, unauthorized access, limits, changes, unusual activity.",
      ["signal"],
    );
    this.#queue = new BatchQueue({
      name: "audit",
      write: (entries) => deps.append(entries),
      log,
      metrics,
    });
  }

  /** Records that are not written yet. */
  get waiting(): number {
    return this.#queue.waiting;
  }

  /** Takes an event; neither waits nor throws. */
  readonly add: AuditSink = (event) => {
    try {
      this.#queue.add(entryOf(event, this.#deps.clock.now()));
      this.#entries.slot(labelOf(event.action), event.outcome).inc();
      const signal = signalOf(event);
      if (signal !== undefined) this.#signals.slot(signal).inc();
    } catch (error) {
      const { action } = event;
      this.#deps.log.error({ action, error: messageOf(error) }, "An event could not be audited");
    }
  };

  /** Writes what waits, as long as that succeeds. */
  async stop(): Promise<void> {
    await this.#queue.stop();
  }
}

// What others call their events is theirs to choose, and would be a series each.
function labelOf(action: string): string {
  return action.startsWith("custom.") ? "custom" : action;
}

/** What an eye on security wants to know of, by the actions that show it. */
const SIGNALS: readonly (readonly [RegExp, string])[] = [
  [/^custom\./, ""],
  [/^auth\./, "failed_authentication"],
  [/^access\./, "unauthorized_access"],
  [/^(limit|quota)\./, "rate_limit_violation"],
  [/^activity\./, "unusual_activity"],
  [/^pin\.change$/, "tool_definition_change"],
  [/^payload\./, "payload_access"],
  [
    /\.(create|update|delete|revoke|limit|set|drain|resume|rotate|reload|approve|reject|forget|remove)$/,
    "configuration_change",
  ],
];

function signalOf({ action, outcome }: AuditEvent): string | undefined {
  if (action.startsWith("auth.") && outcome === "ok") return undefined;
  const signal = SIGNALS.find(([shape]) => shape.test(action))?.[1];
  // A change that was refused is none; the refusal is a signal of its own.
  if (signal === "configuration_change" && outcome !== "ok") return undefined;
  return signal === "" ? undefined : signal;
}

function entryOf(event: AuditEvent, now: number): AuditEntry {
  const { action, actor, target, project, outcome, code, before, after, details } = event;
  return {
    id: newId("aud"),
    at: Math.trunc(now),
    action: plain(action),
    actorId: plain(actor.id),
    actorName: plain(actor.name),
    actorKind: plain(actor.kind),
    target: target === undefined ? null : plain(target),
    project: project === undefined ? null : plain(project),
    outcome,
    code: code === undefined ? null : plain(code),
    before: textOf(before),
    after: textOf(after),
    details: textOf(details),
    address: event.address === undefined ? null : plain(event.address),
    requestId: event.requestId === undefined ? null : plain(event.requestId),
  };
}

// Secrets are not to come here in the first place; whatever still looks like one is masked.
function textOf(value: unknown): string | null {
  if (value === undefined) return null;
  const text = JSON.stringify(redact(value)) ?? "null";
  return text.length <= VALUE_CHARS_MAX
    ? text
    : JSON.stringify({ cut: text.slice(0, VALUE_CHARS_MAX) });
}

const VALUE_CHARS_MAX = 64 * 1024;
const TEXT_CHARS_MAX = 500;

// What PostgreSQL cannot hold would cost all that are written with it.
function plain(text: string): string {
  return text.slice(0, TEXT_CHARS_MAX).toWellFormed().replaceAll("\0", "\uFFFD");
}
