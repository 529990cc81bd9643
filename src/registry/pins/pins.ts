// Pins: what servers said of their tools and prompts when that was approved. The data plane asks here when a list comes in
// and is answered from memory; the database is read at the start and after changes, and written in the background.
import { setImmediate } from "node:timers/promises";
import {
  GATEWAY_ACTOR,
  SignalboxError,
  isSignalboxError,
  messageOf,
} from "../../foundation/index.ts";
import type {
  AuditActor,
  AuditOrigin,
  AuditSink,
  Clock,
  Counter,
  Gauge,
  Log,
  Metrics,
} from "../../foundation/index.ts";
import { pinOptionsFor } from "../../gateway/index.ts";
import type {
  Admitted,
  Held,
  PinGuard,
  PinnedKind,
  PinOptions,
  Sight,
} from "../../gateway/index.ts";
import { canonicalText, definitionOf, keptText, pinName } from "./definition.ts";
import { definitionDiff, type FieldChange } from "./definition-diff.ts";
import { Examiner, type Examined } from "./examined.ts";
import { Listed, type ListedItem } from "./listed.ts";
import type { Finding } from "./lint/finding.ts";
import { visible } from "./lint/visible.ts";
import { HELD_SENTENCES, judge, keyText, noted } from "./pin.ts";
import type { HeldBecause, Judgement, Note, Pin, PinKey, PinState } from "./pin.ts";
import type { PinRow, PinStore } from "./pin-store.ts";
import { UnsavedNotes } from "./unsaved-notes.ts";

export interface PinsDeps {
  readonly options: PinOptions;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly audit?: AuditSink | undefined;
  /** Called where other definitions are approved than before: of one server, or of all; `fresh` where they were never compared. */
  readonly changed: (server: string | undefined, fresh: boolean) => void;
  readonly bounds?: PinBounds;
}

export interface PinBounds {
  /** More names than this of one kind of a server are not watched, and so not served. */
  readonly pinsPerServerMax: number;
  /** Characters that wait for a database that is away; what does not fit is noted when it is back. */
  readonly unsavedCharsMax: number;
}

/** A pin as the API shows it. */
export interface PinView extends PinKey {
  readonly state: PinState;
  /** Whether this gateway sees the server list it now. */
  readonly listed: boolean;
  /** Whether this gateway holds it back now. */
  readonly held: boolean;
  readonly approved: readonly string[];
  readonly pending?: string;
  readonly firstSeen: number;
  readonly changedAt: number;
  readonly decidedBy?: string;
  readonly decidedAt?: number;
  readonly findings: readonly Finding[];
}

export interface PinDetailView extends PinView {
  readonly definition?: unknown;
  readonly pendingDefinition?: unknown;
  /** From the approved definition to the one that waits. */
  readonly diff: readonly FieldChange[];
}

export interface PinFilter {
  readonly server?: string | undefined;
  /** The only servers whose pins are asked for. */
  readonly servers?: ReadonlySet<string> | undefined;
  readonly kind?: PinnedKind | undefined;
  readonly state?: PinState | undefined;
  /** Only those with findings. */
  readonly suspect?: boolean | undefined;
  readonly limit: number;
}

export interface PinList {
  readonly pins: readonly PinView[];
  /** How many there are of what was asked for, of which `pins` has the first. */
  readonly total: number;
  readonly counts: Readonly<Record<PinState | "held", number>>;
}

/** Who decides, and by which request. */
export interface PinDecider {
  readonly actor: AuditActor;
  readonly origin?: AuditOrigin;
}

export interface PinVerdict extends PinDecider {
  /** Decides only where this is what waits. */
  readonly hash?: string | undefined;
}

const BOUNDS: PinBounds = { pinsPerServerMax: 20_000, unsavedCharsMax: 32 * 1024 * 1024 };
const SAVE_AFTER_MS = 100;
const SAVE_AGAIN_MS = 2_000;
const RELOAD_EVERY_MS = 30_000;
const SURVEY_AFTER_MS = 300;
const SURVEY_SLICE = 200;
const TOLD_MAX = 20_000;
/** Changes of one list that are told one by one; more are told together. */
const TOLD_SINGLY_MAX = 20;

export class Pins implements PinGuard {
  readonly #deps: PinsDeps;
  readonly #examiner = new Examiner();
  readonly #listed = new Listed();
  readonly #unsaved: UnsavedNotes;
  readonly #changes: Counter;
  readonly #findingsGauge: Gauge;
  readonly #heldGauge: Gauge;
  /** Servers of which something was not noted for want of room. */
  readonly #overlooked = new Set<string>();
  readonly #told = new Set<string>();
  #gauged = new Set<string>();
  #pins = new Map<string, Pin>();
  /** How many there are of each server and kind. */
  #counts = new Map<string, number>();
  #store: PinStore | undefined;
  #loaded = false;
  #stopped = false;
  #reloadWaits = false;
  #turn: Promise<unknown> = Promise.resolve();
  #saveTimer: NodeJS.Timeout | undefined;
  #surveyTimer: NodeJS.Timeout | undefined;
  #reloadTimer: NodeJS.Timeout | undefined;
  #stopListening: (() => void) | undefined;

  constructor(deps: PinsDeps) {
    const { metrics, log } = deps;
    this.#deps = deps;
    this.#unsaved = new UnsavedNotes(log, metrics, (deps.bounds ?? BOUNDS).unsavedCharsMax);
    this.#changes = metrics.counter(
      "mcp_tool_definition_changes_total",
      "Definitions of tools and prompts that changed: seen without approval (false), and approved by policy or a person (true).",
      ["server_id", "approved"],
    );
    this.#heldGauge = metrics.gauge(
      "mcp_tools_quarantined",
      "Tools and prompts that are listed and held back.",
      ["server_id"],
    );
    this.#findingsGauge = metrics.gauge(
      "mcp_tool_findings",
      "What the definitions that are listed now have in them that should be looked at.",
      ["server_id", "severity"],
    );
  }

  /** Hands in the database, before the gateway serves or later, and compares with what it holds. */
  async attachStore(store: PinStore): Promise<void> {
    this.#stopListening?.();
    this.#store = store;
    this.#stopListening = store.onChange(() => void this.reload());
    this.#reloadTimer ??= setInterval(() => void this.reload(), RELOAD_EVERY_MS).unref();
    await this.reload();
  }

  /** Writes what is unwritten, as long as the database answers. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopListening?.();
    clearInterval(this.#reloadTimer);
    clearTimeout(this.#saveTimer);
    clearTimeout(this.#surveyTimer);
    await this.#inTurn(() => this.#save()).catch(() => undefined);
  }

  async examine({ server, kind, items }: Omit<Sight, "fresh">): Promise<void> {
    if (server.origin === "builtin") return;
    try {
      await this.#examiner.examine(kind, items);
    } catch (error) {
      this.#deps.log.error(
        { serverId: server.name, error: messageOf(error) },
        "A list could not be examined",
      );
    }
  }

  admit(sight: Sight): Admitted {
    const { server, kind, items, shared, fresh } = sight;
    // What runs in this process came with it.
    if (server.origin === "builtin") return { served: items, held: [] };
    const options = pinOptionsFor(this.#deps.options, server.options.pins);
    const known = (this.#counts.get(`${server.name} ${kind}`) ?? 0) > 0;
    const served: (typeof items)[number][] = [];
    const held: Held[] = [];
    const listed = new Map<string, ListedItem>();
    const changes: Change[] = [];
    for (const item of items) {
      const examined = this.#examiner.of(kind, item);
      // What has no name, or one that was listed before it, is not offered in any case.
      if (examined === undefined || listed.has(examined.name)) continue;
      const key = { server: server.name, kind, name: examined.name };
      const pin = this.#pins.get(keyText(key));
      const judgement = this.#judge(pin, key, examined, known, options);
      listed.set(examined.name, { ...examined, held: !judgement.serve });
      if (judgement.serve) served.push(item);
      else
        held.push(heldBack(examined, judgement.because, pin?.changedAt ?? this.#deps.clock.now()));
      // Clients that are offered something else do not take the place of what waits already.
      const note =
        judgement.note === "pending" && !shared && pin?.pending !== undefined
          ? undefined
          : judgement.note;
      // What is known already is noted where it has just come in; what nobody knows, whenever it is met.
      if (note === undefined || (!fresh && pin !== undefined)) continue;
      const definition = keptText(canonicalText(definitionOf(kind, item)));
      if (!this.#note(key, examined.hash, definition, note)) continue;
      changes.push({ key, note, pin, examined, judgement });
    }
    this.#listed.set(server.name, kind, [...listed.values()], shared);
    if (changes.length > 0) this.#tell(server.name, changes, options);
    this.#surveyLater();
    return { served, held };
  }

  gone(server: string): void {
    this.#listed.gone(server);
    this.#surveyLater();
  }

  /** What is known of everything that was ever listed. */
  list({ server, servers, kind, state, suspect = false, limit }: PinFilter): PinList {
    const counts = { approved: 0, pending: 0, rejected: 0, held: 0 };
    const pins: PinView[] = [];
    let total = 0;
    for (const pin of this.#sorted()) {
      if (server !== undefined && pin.server !== server) continue;
      if (servers?.has(pin.server) === false) continue;
      if (kind !== undefined && pin.kind !== kind) continue;
      counts[pin.state]++;
      if (this.#listed.get(pin)?.held === true) counts.held++;
      if (state !== undefined && pin.state !== state) continue;
      if (suspect && this.#findings(pin).length === 0) continue;
      if (total++ < limit) pins.push(this.#view(pin));
    }
    return { pins, total, counts };
  }

  /** One of them with its definitions and what changed. Throws PIN_NOT_FOUND, STORE_UNAVAILABLE. */
  async get(key: PinKey): Promise<PinDetailView> {
    const kept = { ...key, name: pinName(key.name) };
    const found = await this.#inTurn(async () => {
      await this.#save();
      return await this.#table().get(kept);
    });
    if (found === undefined) throw notFound(key);
    const { definition, pendingDefinition, ...row } = found;
    const [before, after] = [parsed(definition), parsed(pendingDefinition)];
    return {
      ...this.#view(row),
      ...(before !== undefined && { definition: before }),
      ...(after !== undefined && { pendingDefinition: after }),
      diff: before === undefined || after === undefined ? [] : definitionDiff(before, after),
    };
  }

  /** Approves what waits. Throws PIN_NOT_FOUND, CONFLICT where it is something else by now, STORE_UNAVAILABLE. */
  async approve(key: PinKey, verdict: PinVerdict): Promise<PinView> {
    return await this.#decide("approve", key, verdict);
  }

  /** Rejects what waits; where nothing does, takes the approval back. Throws as `approve`. */
  async reject(key: PinKey, verdict: PinVerdict): Promise<PinView> {
    return await this.#decide("reject", key, verdict);
  }

  /** Approves all that waits at a server, but nothing that was rejected. Throws STORE_UNAVAILABLE. */
  async approveAll(server: string, decider: PinDecider): Promise<readonly PinView[]> {
    const at = this.#deps.clock.now();
    return await this.#inTurn(async () => {
      await this.#save();
      const rows = await this.#table().approveAll(server, { by: byOf(decider.actor), at });
      for (const row of rows) {
        const before = this.#pins.get(keyText(row));
        this.#take(row);
        this.#decided("approve", decider, before, row);
      }
      if (rows.length > 0) this.#deps.changed(server, false);
      return rows.map((row) => this.#view(row));
    });
  }

  /** Forgets a server, which is then seen as if for the first time; how many pins it had. Throws STORE_UNAVAILABLE. */
  async forget(
    server: string,
    { actor, origin }: PinDecider = { actor: GATEWAY_ACTOR },
  ): Promise<number> {
    return await this.#inTurn(async () => {
      this.#unsaved.clear(server);
      const count = await this.#table().forget(server);
      this.#replace(new Map([...this.#pins].filter(([, pin]) => pin.server !== server)));
      if (count > 0) {
        this.#deps.audit?.({
          action: "pin.forget",
          actor,
          target: `server:${server}`,
          outcome: "ok",
          details: { count },
          ...origin,
        });
      }
      this.#deps.changed(server, true);
      return count;
    });
  }

  /** Reads the database again; a failure is logged and tried again later. */
  async reload(): Promise<void> {
    if (this.#reloadWaits || this.#stopped || this.#store === undefined) return;
    this.#reloadWaits = true;
    try {
      await this.#inTurn(async () => {
        this.#reloadWaits = false;
        await this.#load();
      });
    } catch (error) {
      this.#reloadWaits = false;
      this.#deps.log.warn(
        { error: messageOf(error) },
        "The pins cannot be read; those that are known hold meanwhile",
      );
    }
  }

  #judge(
    pin: Pin | undefined,
    key: PinKey,
    examined: Examined,
    known: boolean,
    options: PinOptions,
  ): Judgement {
    const { pinsPerServerMax } = this.#deps.bounds ?? BOUNDS;
    const crowded = (this.#counts.get(`${key.server} ${key.kind}`) ?? 0) >= pinsPerServerMax;
    if (pin === undefined && crowded) return { serve: false, because: "crowded" };
    return judge(pin, examined.hash, examined.findings, known, options);
  }

  // False where there is no room: it is then seen again when there is.
  #note(key: PinKey, hash: string, definition: string, note: Note): boolean {
    const at = this.#deps.clock.now();
    if (!this.#unsaved.add(note, { ...key, hash, definition, at })) {
      this.#overlooked.add(key.server);
      return false;
    }
    const id = keyText(key);
    const before = this.#pins.get(id);
    if (before === undefined) this.#count(key);
    this.#pins.set(id, noted(before, key, hash, note, at));
    this.#saveLater(SAVE_AFTER_MS);
    return true;
  }

  #tell(server: string, changes: readonly Change[], options: PinOptions): void {
    const first = changes.filter(({ note }) => note === "first").length;
    if (first > 0) this.#tellFirst(server, first);
    const others = changes.filter(({ note }) => note !== "first");
    for (const { note } of others) this.#changes.slot(server, String(note === "accepted")).inc();
    const singly = others.length <= TOLD_SINGLY_MAX;
    for (const change of others.slice(0, singly ? others.length : 0))
      this.#tellChange(change, options);
    if (singly) return;
    const names = others.slice(0, TOLD_SINGLY_MAX).map(({ key }) => visible(key.name, true));
    const held = others.filter(({ judgement }) => !judgement.serve).length;
    this.#deps.log.warn(
      { serverId: server, changed: others.length, held, tools: names.join(", ") },
      `${others.length} definitions of "${server}" changed since they were approved; ${held} are held back`,
    );
    this.#deps.audit?.({
      action: "pin.change",
      actor: GATEWAY_ACTOR,
      target: `server:${server}`,
      ...outcomeOf(held === 0),
      details: { policy: options.policy, changed: others.length, held, names },
    });
  }

  #tellFirst(server: string, count: number): void {
    this.#deps.log.info(
      { serverId: server, count },
      `Pinned ${count} definitions of "${server}" as they were first seen`,
    );
    this.#deps.audit?.({
      action: "pin.trust",
      actor: GATEWAY_ACTOR,
      target: `server:${server}`,
      outcome: "ok",
      details: { count },
    });
  }

  #tellChange({ key, pin, examined, judgement }: Change, options: PinOptions): void {
    const { serve } = judgement;
    const name = visible(key.name, true);
    const because = judgement.serve ? undefined : judgement.because;
    this.#deps.log[serve && options.policy === "allow" ? "info" : "warn"](
      {
        serverId: key.server,
        kind: key.kind,
        tool: name,
        code: serve ? undefined : "TOOL_QUARANTINED",
        because,
      },
      `"${name}" of "${key.server}" is not what was approved; it is ${serve ? "served all the same" : "held back"}`,
    );
    this.#deps.audit?.({
      action: "pin.change",
      actor: GATEWAY_ACTOR,
      target: targetOf(key),
      ...outcomeOf(serve),
      before: { hash: pin?.approved[0] },
      after: { hash: examined.hash },
      details: { policy: options.policy, because, findings: examined.findings.map(({ id }) => id) },
    });
  }

  async #decide(what: "approve" | "reject", given: PinKey, verdict: PinVerdict): Promise<PinView> {
    const { actor, hash } = verdict;
    const key = { ...given, name: pinName(given.name) };
    const at = this.#deps.clock.now();
    return await this.#inTurn(async () => {
      await this.#save();
      const before = this.#pins.get(keyText(key));
      const row = await this.#table()[what](key, {
        by: byOf(actor),
        at,
        ...(hash !== undefined && { hash }),
      });
      if (row === undefined) return this.#view(await this.#undecided(what, key, hash));
      this.#take(row);
      this.#decided(what, verdict, before, row);
      this.#deps.changed(key.server, false);
      return this.#view(row);
    });
  }

  // To approve what is approved is no error; to decide about something else than was looked at is one.
  async #undecided(
    what: "approve" | "reject",
    key: PinKey,
    hash: string | undefined,
  ): Promise<PinRow> {
    const found = await this.#table().get(key);
    if (found === undefined) throw notFound(key);
    const nothingWaits = found.pending === undefined;
    const done =
      what === "approve" && nothingWaits && (hash === undefined || found.approved.includes(hash));
    if (done) return found;
    throw new SignalboxError(
      "CONFLICT",
      `What waits for "${visible(key.name, true)}" of "${key.server}" is another definition than the one that was looked at.`,
      { details: { pending: found.pending, given: hash } },
    );
  }

  #decided(
    what: "approve" | "reject",
    { actor, origin }: PinDecider,
    before: Pin | undefined,
    row: PinRow,
  ): void {
    if (what === "approve") this.#changes.slot(row.server, "true").inc();
    this.#deps.log.info(
      { serverId: row.server, kind: row.kind, tool: visible(row.name, true), by: actor.id },
      `"${visible(row.name, true)}" of "${row.server}" was ${what === "approve" ? "approved" : "rejected"}`,
    );
    this.#deps.audit?.({
      action: `pin.${what}`,
      actor,
      target: targetOf(row),
      outcome: "ok",
      before: stateOf(before),
      after: stateOf(row),
      ...origin,
    });
  }

  /** One thing at a time with the database: what is read must not miss what is being written. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #load(): Promise<void> {
    const rows = await this.#table().list();
    const late = !this.#loaded;
    // What was trusted without the database is compared with what that holds.
    if (late) this.#unsaved.clear();
    const pins = new Map<string, Pin>(rows.map((row) => [keyText(row), row]));
    for (const [note, sight] of this.#unsaved.all()) {
      const id = keyText(sight);
      if (pins.get(id)?.approved.includes(sight.hash) === true) continue;
      pins.set(id, noted(pins.get(id), sight, sight.hash, note, sight.at));
    }
    const before = this.#pins;
    this.#replace(pins);
    this.#loaded = true;
    if (late) this.#deps.changed(undefined, true);
    else for (const server of serversThatDiffer(before, pins)) this.#deps.changed(server, false);
  }

  /** Throws STORE_UNAVAILABLE where something is left to be written. */
  async #save(): Promise<void> {
    if (this.#unsaved.empty) return;
    const known = await this.#unsaved.save(this.#table());
    const again = new Set([...this.#overlooked, ...known.map(({ server }) => server)]);
    this.#overlooked.clear();
    if (again.size === 0) return;
    // Another gateway was first: what this one sees is compared with what that one trusted.
    if (known.length > 0) await this.#load();
    if (!this.#stopped) for (const server of again) this.#deps.changed(server, true);
  }

  #saveLater(afterMs: number): void {
    if (this.#stopped) return;
    this.#saveTimer ??= setTimeout(() => {
      this.#saveTimer = undefined;
      this.#inTurn(() => this.#save()).catch((error: unknown) => {
        const away = isSignalboxError(error) && error.code === "STORE_UNAVAILABLE";
        if (!away) this.#deps.log.error({ error: messageOf(error) }, "Pins could not be written");
        this.#saveLater(SAVE_AGAIN_MS);
      });
    }, afterMs).unref();
  }

  #take(row: PinRow): void {
    const id = keyText(row);
    if (!this.#pins.has(id)) this.#count(row);
    this.#pins.set(id, row);
  }

  #replace(pins: Map<string, Pin>): void {
    this.#pins = pins;
    this.#counts = new Map();
    for (const pin of pins.values()) this.#count(pin);
    this.#listed.reorder();
  }

  #count({ server, kind }: PinKey): void {
    const place = `${server} ${kind}`;
    this.#counts.set(place, (this.#counts.get(place) ?? 0) + 1);
  }

  #table(): PinStore["pins"] {
    if (this.#store !== undefined) return this.#store.pins;
    throw new SignalboxError("STORE_UNAVAILABLE", "The database cannot be reached.");
  }

  #sorted(): Pin[] {
    return [...this.#pins.entries()]
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([, pin]) => pin);
  }

  #view(pin: Pin | PinRow): PinView {
    const { pending, decidedBy, decidedAt, ...rest } = pin;
    const listed = this.#listed.get(pin);
    return {
      ...rest,
      ...(pending !== undefined && { pending }),
      ...(decidedBy !== undefined && { decidedBy }),
      ...(decidedAt !== undefined && { decidedAt }),
      listed: listed !== undefined,
      held: listed?.held === true,
      findings: this.#findings(pin),
    };
  }

  #findings(key: PinKey): readonly Finding[] {
    const pinOf = (one: PinKey): Pin | undefined => this.#pins.get(keyText(one));
    return this.#listed.findingsOf(key, pinOf, this.#deps.clock.now());
  }

  #surveyLater(): void {
    if (this.#stopped) return;
    this.#surveyTimer ??= setTimeout(() => {
      void this.#survey().finally(() => {
        this.#surveyTimer = undefined;
      });
    }, SURVEY_AFTER_MS).unref();
  }

  // Counts what is held back and what should be looked at, and tells of each finding once.
  async #survey(): Promise<void> {
    const figures = new Map<string, number>();
    const add = (figure: string): void => void figures.set(figure, (figures.get(figure) ?? 0) + 1);
    let count = 0;
    for (const [key, item] of Array.from(this.#listed.all())) {
      if (++count % SURVEY_SLICE === 0) await setImmediate();
      if (item.held) add(`${key.server} held`);
      for (const finding of this.#findings(key)) {
        add(`${key.server} ${finding.severity}`);
        this.#tellFinding(key, item, finding);
      }
    }
    for (const figure of this.#gauged) if (!figures.has(figure)) figures.set(figure, 0);
    for (const [figure, value] of figures) {
      const [server = "", what = ""] = figure.split(" ");
      if (what === "held") this.#heldGauge.slot(server).set(value);
      else this.#findingsGauge.slot(server, what).set(value);
    }
    this.#gauged = new Set(figures.keys());
  }

  #tellFinding(key: PinKey, { hash }: ListedItem, finding: Finding): void {
    const told = `${keyText(key)} ${hash} ${finding.id} ${finding.where}`;
    if (this.#told.has(told)) return;
    if (this.#told.size >= TOLD_MAX) this.#told.clear();
    this.#told.add(told);
    const name = visible(key.name, true);
    this.#deps.log[finding.severity === "low" ? "debug" : "warn"](
      {
        serverId: key.server,
        kind: key.kind,
        tool: name,
        finding: finding.id,
        severity: finding.severity,
        where: visible(finding.where, true),
      },
      `"${name}" of "${key.server}": ${finding.message}`,
    );
  }
}

interface Change {
  readonly key: PinKey;
  readonly note: Note;
  readonly pin: Pin | undefined;
  readonly examined: Examined;
  readonly judgement: Judgement;
}

function heldBack({ original }: Examined, because: HeldBecause, since: number): Held {
  return { name: original, reason: HELD_SENTENCES[because], since };
}

function outcomeOf(served: boolean): { outcome: "ok" } | { outcome: "denied"; code: string } {
  return served ? { outcome: "ok" } : { outcome: "denied", code: "TOOL_QUARANTINED" };
}

function targetOf({ server, kind, name }: PinKey): string {
  if (kind === "instructions") return `instructions:${server}`;
  return `${kind === "tools" ? "tool" : "prompt"}:${server}__${visible(name, true)}`;
}

function stateOf(pin: Pin | PinRow | undefined): unknown {
  if (pin === undefined) return undefined;
  return { state: pin.state, approved: pin.approved[0], pending: pin.pending };
}

function byOf({ id, name }: AuditActor): string {
  return name === id ? id : `${name} (${id})`;
}

function notFound({ server, kind, name }: PinKey): SignalboxError {
  const what = kind === "tools" ? "tool" : kind === "prompts" ? "prompt" : "text";
  return new SignalboxError(
    "PIN_NOT_FOUND",
    `No ${what} "${visible(name.slice(0, 100).toWellFormed(), true)}" has been seen at "${server.slice(0, 64)}".`,
  );
}

function parsed(text: string | undefined): unknown {
  return text === undefined ? undefined : JSON.parse(text);
}

function serversThatDiffer(
  before: ReadonlyMap<string, Pin>,
  now: ReadonlyMap<string, Pin>,
): Set<string> {
  const servers = new Set<string>();
  for (const [id, pin] of now) {
    const old = before.get(id);
    if (old === undefined || standing(old) !== standing(pin)) servers.add(pin.server);
  }
  for (const [id, { server }] of before) if (!now.has(id)) servers.add(server);
  return servers;
}

function standing({ state, approved, pending }: Pin): string {
  return `${state} ${approved.join()} ${pending ?? ""}`;
}
