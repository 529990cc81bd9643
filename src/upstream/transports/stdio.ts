// A server as a local process. Which era it speaks is asked once per program and remembered for a day.
//
// The question has to be put with care: some servers exit when anything but `initialize` comes first,
// some stay silent at a request with `_meta`, and some that start slowly are only late. So the first
// process of a program is asked `server/discover`, as the protocol advises:
// - it answers as a modern server does: it is one, and the process is kept;
// - it answers anything else: it is asked `initialize`, in the same process;
// - it says nothing for a while: it is asked `initialize` as well, and whatever it says counts;
// - it ends: that process was the price of the question. A second one hears `initialize` only.
// From then on the verdict is known and the right question is the first. A verdict that fails is dropped,
// a server that was upgraded to modern-only is found by its refusal of `initialize`, and `protocol_era`
// pins the era without asking. A running server is never asked: the probe only ever meets fresh processes.
import { setTimeout as sleep } from "node:timers/promises";
import { SignalboxError } from "../../foundation/index.ts";
import type {
  Era,
  JsonObject,
  JsonRpcNotification,
  JsonRpcResponse,
} from "../../protocol/index.ts";
import type {
  ExchangeHandle,
  ExchangeSink,
  Lane,
  LaneContext,
  LaneListener,
  OutboundRequest,
  TransportDeps,
} from "../lane.ts";
import { processFacts, type ProcessFacts } from "../processes/process-facts.ts";
import type { LimitsHeldBy } from "../processes/limits.ts";
import type { ProcessOptions } from "../processes/process-options.ts";
import type { Lease, Processes } from "../processes/processes.ts";
import type { ServerOptions } from "../server-options.ts";
import { lastWords, startChild } from "./child-process.ts";
import { EraVerdicts } from "./era-verdicts.ts";
import { StderrRing } from "./stderr-ring.ts";
import { StdioChannel, type ChannelCounts } from "./stdio-channel.ts";
import {
  aliveQuestion,
  discover,
  initialize,
  soundsModern,
  type Agreement,
  type Opening,
} from "./stdio-handshake.ts";

/** What stdio can use beyond what every transport is given. */
export interface StdioDeps extends TransportDeps {
  /** Named in errors; default the command. */
  serverName?: string;
  /** Receives the child's standard error; give the same one again to keep it over restarts. */
  stderr?: StderrRing;
  /** Default: those of this process. */
  verdicts?: EraVerdicts;
  /** How long a probe may go unanswered before `initialize` is tried as well; default 3 s. */
  probeSilenceMs?: number;
  /** How long a child may take to end after its input closed, and again after SIGTERM; default 2 s. */
  closeGraceMs?: number;
  /** Limits of the process, what it runs in, and how long it may take; default no limits. */
  process?: ProcessOptions;
  /** A process that let a call time out is killed when it stays silent for so long; default the start's longest time. */
  hungAfterMs?: number;
  /** Where every start takes its turn; default: at once, and uncounted. */
  processes?: Processes;
  /** Processes of this server at once, where `process.processes_max` says nothing; default 32. */
  processesMax?: number;
  /** Where control groups may be made, to hold limits on memory; default nowhere. */
  cgroupFolder?: string;
  /** The gateway's own folder, which runners that can hide it do; default none. */
  home?: string;
}

/**
 * Starts `options.command` and agrees on the era with it; throws SERVER_UNREACHABLE, SERVER_CRASHED, SERVER_TIMEOUT,
 * SERVER_REFUSED or PROCESS_LIMIT, and the signal's reason where that aborts before the start.
 */
export async function open(
  options: ServerOptions,
  context: LaneContext,
  listener: LaneListener,
  deps: StdioDeps,
): Promise<StdioLane> {
  const lease = await leaseOf(context, options, deps);
  const opener = new Opener(options, context, deps);
  try {
    const { channel, agreement } = await opener.open();
    void channel.child.whenGone.then(() => lease?.release());
    const question = aliveQuestion(agreement.era, context);
    channel.begin(listener, question);
    return new StdioLane(channel, agreement, context.shared, opener.verdict?.probedAt);
  } catch (error) {
    void opener.whenGone.then(() => lease?.release());
    throw error;
  } finally {
    lease?.started();
  }
}

/** One child process as a lane. */
export class StdioLane implements Lane {
  readonly era: Era;
  readonly revision: string;
  readonly capabilities: JsonObject;
  readonly serverInfo: JsonObject;
  declare readonly instructions?: string;
  readonly shared: boolean;
  /** When the era was probed, epoch ms; undefined where it is pinned. */
  readonly eraProbedAt: number | undefined;
  readonly #channel: StdioChannel;

  constructor(
    channel: StdioChannel,
    agreement: Agreement,
    shared: boolean,
    eraProbedAt: number | undefined,
  ) {
    this.#channel = channel;
    this.era = agreement.era;
    this.revision = agreement.revision;
    this.capabilities = agreement.capabilities;
    this.serverInfo = agreement.serverInfo;
    if (agreement.instructions !== undefined) this.instructions = agreement.instructions;
    this.shared = shared;
    this.eraProbedAt = eraProbedAt;
  }

  get closed(): boolean {
    return this.#channel.ended !== undefined;
  }

  get pid(): number {
    return this.#channel.child.pid;
  }

  /** Whether a request is under way. */
  get busy(): boolean {
    return this.#channel.busy;
  }

  get counts(): ChannelCounts {
    return this.#channel.counts;
  }

  /** What the process and all it started use right now; undefined when gone, or where there is no /proc. */
  facts(): ProcessFacts | undefined {
    return processFacts(this.pid);
  }

  /** What holds the limits that were asked for. */
  get limitsHeldBy(): LimitsHeldBy {
    return this.#channel.child.limitsHeldBy;
  }

  get skippedLines(): number {
    return this.#channel.counts.skippedLines;
  }

  /** The last lines of the child's standard error, raw: up to 200. */
  stderr(): string[] {
    return this.#channel.child.stderr.lines();
  }

  send(request: OutboundRequest, sink: ExchangeSink): ExchangeHandle {
    return this.#channel.send(request, sink);
  }

  notify(message: JsonRpcNotification): void {
    this.#channel.notify(message);
  }

  respond(response: JsonRpcResponse): void {
    this.#channel.respond(response);
  }

  close(): Promise<void> {
    return this.#channel.close();
  }
}

const verdictsOfProcess = new EraVerdicts();
const defaultSilenceMs = 3_000;
const discardGraceMs = 500;
const defaultProcessesMax = 32;

function leaseOf(
  { signal }: LaneContext,
  options: ServerOptions,
  { process, processes, processesMax, serverName }: StdioDeps,
): Promise<Lease> | undefined {
  const name = serverName ?? options.command ?? "";
  const most = process?.processes_max ?? processesMax ?? defaultProcessesMax;
  return processes?.acquire({ name, processesMax: most }, signal);
}

interface Opened {
  channel: StdioChannel;
  agreement: Agreement;
}

class Opener {
  readonly #options: ServerOptions;
  readonly #context: LaneContext;
  readonly #deps: StdioDeps;
  readonly #serverName: string;
  readonly #command: string;
  readonly #verdicts: EraVerdicts;
  readonly #program: string;
  readonly #startTimeoutMs: number;
  readonly #deadlineMs: number;
  readonly #stderr: StderrRing;
  #channel: StdioChannel | undefined;
  #mute = false;

  constructor(options: ServerOptions, context: LaneContext, deps: StdioDeps) {
    this.#options = options;
    this.#context = context;
    this.#deps = deps;
    this.#command = options.command ?? "";
    this.#serverName = deps.serverName ?? this.#command;
    this.#verdicts = deps.verdicts ?? verdictsOfProcess;
    this.#program = JSON.stringify([options.command, options.args ?? [], options.cwd ?? ""]);
    this.#startTimeoutMs = deps.process?.start_timeout ?? deps.connectTimeoutMs;
    this.#deadlineMs = deps.clock.monotonicMs() + this.#startTimeoutMs;
    this.#stderr = deps.stderr ?? new StderrRing();
  }

  get verdict(): { era: Era; probedAt: number } | undefined {
    return this.#pinned() === undefined
      ? this.#verdicts.get(this.#program, this.#deps.clock)
      : undefined;
  }

  /** Resolves when no process of an opening that failed is left. */
  get whenGone(): Promise<void> {
    return this.#channel?.child.whenGone ?? Promise.resolve();
  }

  async open(): Promise<Opened> {
    const signal = this.#context.signal;
    const stop = (): void => void this.#channel?.close(discardGraceMs);
    signal?.addEventListener("abort", stop, { once: true });
    try {
      const agreement = await this.#agree();
      if (this.#pinned() === undefined && this.verdict?.era !== agreement.era)
        this.#verdicts.set(this.#program, agreement.era, this.#deps.clock);
      if (this.#channel === undefined) throw this.#gaveUp();
      if (this.#channel.ended !== undefined) throw this.#channel.ended;
      return { channel: this.#channel, agreement };
    } catch (error) {
      if (this.#pinned() === undefined) this.#doubt();
      void this.#channel?.close();
      throw error;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  /** Nothing is known any more; but a server that was mute at both questions hears only `initialize` next time. */
  #doubt(): void {
    if (this.#mute) this.#verdicts.set(this.#program, "legacy", this.#deps.clock);
    else this.#verdicts.forget(this.#program);
  }

  #pinned(): Era | undefined {
    const era = this.#options.protocol_era;
    return era === "auto" ? undefined : era;
  }

  async #agree(): Promise<Agreement> {
    const pinned = this.#pinned();
    if (pinned === "modern") return this.#settled(await this.#discover(await this.#start()));
    if (pinned === "legacy") return this.#settled(await this.#initialize(await this.#start()));
    const known = this.verdict?.era;
    if (known === undefined) return this.#settled(await this.#probe());
    return this.#settled(await (known === "modern" ? this.#modernFirst() : this.#legacyFirst()));
  }

  async #modernFirst(): Promise<Opening> {
    const channel = await this.#start();
    const opening = await this.#discover(channel);
    if (opening.kind === "refused") return this.#initialize(channel);
    if (opening.kind === "ended") return this.#initialize(await this.#restart());
    return opening;
  }

  async #legacyFirst(): Promise<Opening> {
    const channel = await this.#start();
    const opening = await this.#initialize(channel);
    if (opening.kind !== "refused") return opening;
    return preferring(opening, await this.#discover(channel));
  }

  async #probe(): Promise<Opening> {
    const channel = await this.#start();
    const discovery = this.#discover(channel);
    const first = await Promise.race([discovery, this.#silence()]);
    if (first === undefined) return this.#askBoth(channel, discovery);
    if (first.kind === "agreed") return first;
    if (first.kind === "ended") return this.#initialize(await this.#restart());
    const opening = await initialize(channel, this.#context, this.#remainingMs() / 2);
    if (opening.kind === "agreed") return opening;
    if (opening.kind === "refused") return soundsModern(first) ? first : opening;
    // The question may have upset it: a fresh process hears `initialize` alone.
    return this.#initialize(await this.#restart());
  }

  /** It dislikes the question, or it only starts slowly: the second question tells. */
  async #askBoth(channel: StdioChannel, discovery: Promise<Opening>): Promise<Opening> {
    const opening = await this.#initialize(channel);
    const late = await Promise.race([discovery, Promise.resolve(undefined)]);
    if (late?.kind === "agreed") {
      // Modern after all, only late; but this process has heard `initialize` since. A fresh one has not.
      return opening.kind === "agreed" ? this.#discover(await this.#restart()) : late;
    }
    if (opening.kind === "refused") return preferring(opening, await this.#discover(channel));
    if (opening.kind === "ended") return this.#initialize(await this.#restart());
    this.#mute = opening.kind === "silent";
    return opening;
  }

  async #silence(): Promise<undefined> {
    const silenceMs = this.#deps.probeSilenceMs ?? defaultSilenceMs;
    await sleep(Math.min(silenceMs, this.#startTimeoutMs / 3), undefined, { ref: false });
    return undefined;
  }

  #discover(channel: StdioChannel): Promise<Opening> {
    return discover(channel, this.#context, this.#remainingMs());
  }

  #initialize(channel: StdioChannel): Promise<Opening> {
    return initialize(channel, this.#context, this.#remainingMs());
  }

  #remainingMs(): number {
    return Math.max(1, this.#deadlineMs - this.#deps.clock.monotonicMs());
  }

  async #restart(): Promise<StdioChannel> {
    // Wait for the first one to go: both may want the same port or lock file.
    await this.#channel?.close(discardGraceMs);
    return this.#start();
  }

  async #start(): Promise<StdioChannel> {
    if (this.#gone()) throw this.#gaveUp();
    const { command, args, env, env_allow, cwd } = this.#options;
    const { process: settings, cgroupFolder, home } = this.#deps;
    const child = await startChild(
      this.#serverName,
      {
        command: command ?? "",
        args,
        env,
        env_allow,
        cwd,
        process: settings,
        cgroupFolder,
        home,
      },
      this.#stderr,
    );
    this.#channel = new StdioChannel(child, {
      serverName: this.#serverName,
      log: this.#deps.log,
      clock: this.#deps.clock,
      lineBytesMax: this.#options.response_bytes_max ?? this.#deps.responseBytesMax,
      held: this.#deps.held,
      closeGraceMs: this.#deps.closeGraceMs,
      hungAfterMs: this.#deps.hungAfterMs ?? this.#startTimeoutMs,
    });
    if (this.#gone()) throw this.#gaveUp();
    return this.#channel;
  }

  #settled(opening: Opening): Agreement {
    if (opening.kind === "agreed") return opening.agreement;
    if (this.#gone()) throw this.#gaveUp();
    if (opening.kind === "ended") throw opening.error;
    throw opening.kind === "refused" ? this.#refused(opening.reason) : this.#silent();
  }

  #refused(reason: string): SignalboxError {
    return new SignalboxError(
      "SERVER_REFUSED",
      `The server "${this.#serverName}" did not open a session: ${reason}.`,
    );
  }

  #silent(): SignalboxError {
    const waited = `within ${this.#startTimeoutMs} ms of its start`;
    const command = `command: ${this.#command}`;
    return new SignalboxError(
      "SERVER_TIMEOUT",
      `The server "${this.#serverName}" did not answer ${waited} (${command})${lastWords(this.#stderr)}.`,
      { details: { forCallers: `The server "${this.#serverName}" did not answer ${waited}.` } },
    );
  }

  /** Nobody waits for the lane any more. */
  #gone(): boolean {
    return this.#context.signal?.aborted === true;
  }

  #gaveUp(): SignalboxError {
    return new SignalboxError(
      "SERVER_CLOSED",
      `The server "${this.#serverName}" was given up before it had started.`,
    );
  }
}

/** The answer to the second question, unless only the first says something. */
function preferring(first: Opening, second: Opening): Opening {
  return second.kind === "agreed" ? second : first;
}
