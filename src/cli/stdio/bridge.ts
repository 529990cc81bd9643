// A stdio MCP server that is the running gateway: one JSON-RPC message per line in, POSTed; every message that comes
// back, one line out. Both eras go through, decided message by message as the gateway itself does:
//   request that names its revision in _meta → modern: stateless, its headers repeat its body, cancelling closes the stream
//   anything else                            → legacy: one session, one listening stream, cancelling is a notification
// Legacy notifications and answers are delivered before the message after them is sent, and nothing legacy is sent
// before `initialize` is answered; requests run beside each other.
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { messageOf } from "../../foundation/index.ts";
import { CliError } from "../exit-code.ts";
import type { GatewayAddress } from "../gateway-address.ts";
import type { HttpAnswer } from "../http-send.ts";
import { errorCodes, errorLine, message as messageShape, requestId } from "../mcp/json-rpc.ts";
import type { Message, RequestId } from "../mcp/json-rpc.ts";
import {
  claimedRevision,
  headerMismatch,
  modernHeaders,
  paramHeaders,
} from "../mcp/modern-headers.ts";
import { inputSchemaOf } from "../mcp/modern-request.ts";
import { Awaited, idKey, isStream, readSingle, relayStream } from "./answer.ts";
import type { StreamPosition } from "./answer.ts";
import { GatewayLink } from "./gateway-link.ts";
import { LegacySession } from "./legacy-session.ts";
import { readLines } from "./line-reader.ts";
import { LineWriter } from "./line-writer.ts";

export interface BridgeOptions {
  input: Readable;
  output: Writable;
  /** Where the gateway is now; asked again when it was lost. */
  find: () => Promise<GatewayAddress>;
  bundle?: string | undefined;
  /** For a person, never on `output`. */
  note: (text: string) => void;
  /** Ends the bridge at once. */
  signal: AbortSignal;
  /** How long requests in flight may take after the input ended; default 5 s. */
  drainMs?: number;
  /** Requests in flight at once; a further one is refused. Default 256. */
  inFlightMax?: number;
  /** Longest line accepted; default 16 MiB. */
  lineBytesMax?: number;
}

/** Serves the gateway on a pair of streams until the input ends, the output closes or the signal is aborted. */
export async function runBridge(options: BridgeOptions): Promise<void> {
  await new Bridge(options).run();
}

interface Pending {
  era: "modern" | "legacy";
  method: string;
  controller: AbortController;
}

/** Tools whose parameters must be repeated in headers, remembered up to this many. */
const schemasMax = 1000;
/** A broken legacy stream is taken up this many times. */
const resumesMax = 5;
const initializeTimeoutMs = 60_000;

class Bridge {
  readonly #options: BridgeOptions;
  readonly #writer: LineWriter;
  readonly #link: GatewayLink;
  readonly #session: LegacySession;
  readonly #stop = new AbortController();
  readonly #pending = new Map<string, Pending>();
  readonly #tasks = new Set<Promise<void>>();
  readonly #schemas = new Map<string, unknown>();
  /** Settles when the legacy messages before have been delivered. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: BridgeOptions) {
    this.#options = options;
    this.#writer = new LineWriter(options.output);
    this.#link = new GatewayLink({ find: options.find, bundle: options.bundle });
    const write = (line: string): Promise<void> => this.#writer.write(line);
    this.#session = new LegacySession({
      link: this.#link,
      write,
      note: options.note,
      signal: this.#stop.signal,
    });
  }

  async run(): Promise<void> {
    const ended = AbortSignal.any([this.#options.signal, this.#writer.closed]);
    try {
      await Promise.race([this.#readAll(), aborted(ended)]);
      if (!ended.aborted) await this.#drain(ended);
    } finally {
      this.#stop.abort();
      if (ended.aborted) this.#options.input.destroy();
      await Promise.allSettled(this.#tasks);
      await this.#session.close();
    }
  }

  async #readAll(): Promise<void> {
    for await (const line of readLines(
      this.#options.input,
      this.#options.lineBytesMax ?? 16 * 1024 * 1024,
    )) {
      if (this.#stop.signal.aborted) return;
      if (line.kind === "too-long") {
        await this.#writer.write(
          errorLine(null, errorCodes.invalidRequest, "The message is too large."),
        );
      } else if (line.text !== "") {
        await this.#accept(line.text);
      }
    }
  }

  async #drain(ended: AbortSignal): Promise<void> {
    for (const { method, controller } of this.#pending.values()) {
      if (method === "subscriptions/listen") controller.abort();
    }
    const bound = new AbortController();
    await Promise.race([
      Promise.allSettled(this.#tasks),
      sleep(this.#options.drainMs ?? 5000, undefined, {
        signal: AbortSignal.any([ended, bound.signal]),
      }),
    ]).catch(() => undefined);
    bound.abort();
  }

  async #accept(text: string): Promise<void> {
    const parsed = parse(text);
    if (parsed === undefined) {
      await this.#writer.write(errorLine(null, errorCodes.parse, "The line is not JSON."));
      return;
    }
    if (Array.isArray(parsed)) {
      await this.#acceptBatch(parsed, text);
      return;
    }
    const message = messageShape.safeParse(parsed);
    if (!message.success || !isMessage(message.data)) {
      const id = identified.safeParse(parsed).data?.id ?? null;
      await this.#writer.write(
        errorLine(id, errorCodes.invalidRequest, "The line is not a JSON-RPC message."),
      );
      return;
    }
    const { id, method } = message.data;
    if (method !== undefined && id !== undefined && id !== null) {
      await this.#acceptRequest(message.data, method, id, text);
    } else {
      await this.#acceptNotice(message.data, text);
    }
  }

  async #acceptRequest(
    message: Message,
    method: string,
    id: RequestId,
    text: string,
  ): Promise<void> {
    const refusal = this.#refusalOf(id);
    if (refusal !== undefined) {
      await this.#writer.write(errorLine(id, errorCodes.invalidRequest, refusal));
      return;
    }
    const revision = claimedRevision(message.params);
    const controller = new AbortController();
    const pending: Pending = {
      era: revision === undefined ? "legacy" : "modern",
      method,
      controller,
    };
    this.#pending.set(idKey(id), pending);
    const awaited = new Awaited([id]);
    const signal = AbortSignal.any([controller.signal, this.#stop.signal]);
    const work =
      revision === undefined
        ? this.#legacyRequest(message, text, awaited, signal)
        : this.#modernRequest(revision, message, text, awaited, signal);
    this.#track(
      this.#answered(work, awaited, signal).finally(() => this.#pending.delete(idKey(id))),
    );
  }

  #refusalOf(id: RequestId): string | undefined {
    if (this.#pending.has(idKey(id))) return "A request with this id is already in flight.";
    const max = this.#options.inFlightMax ?? 256;
    return this.#pending.size < max
      ? undefined
      : `More than ${String(max)} requests are in flight.`;
  }

  /** Answers with an error whatever the work leaves unanswered, unless the client gave the request up. */
  async #answered(work: Promise<void>, awaited: Awaited, signal: AbortSignal): Promise<void> {
    let sentence = "The gateway ended the answer before it was complete.";
    try {
      await work;
    } catch (error) {
      sentence = error instanceof CliError ? said(error) : messageOf(error);
    }
    if (signal.aborted && !this.#stop.signal.aborted) return;
    if (this.#stop.signal.aborted) sentence = "The bridge to the gateway is ending.";
    for (const id of awaited.ids)
      await this.#writer.write(errorLine(id, errorCodes.internal, sentence));
  }

  async #modernRequest(
    revision: string,
    message: Message,
    body: string,
    awaited: Awaited,
    signal: AbortSignal,
  ): Promise<void> {
    const { method = "", params } = message;
    const tool = method === "tools/call" ? toolCall.safeParse(params).data : undefined;
    const post = (): Promise<HttpAnswer> =>
      this.#link.send({
        method: "POST",
        headers: {
          accept: "application/json, text/event-stream",
          "content-type": "application/json",
          ...modernHeaders(revision, method, params),
          ...(tool === undefined ? {} : paramHeaders(this.#schemas.get(tool.name), tool.arguments)),
        },
        body,
        signal,
      });
    const answer = await post();
    if (isStream(answer)) return await this.#relay(answer, awaited);
    const single = await readSingle(answer, await this.#link.address());
    if (single.message?.error?.code !== headerMismatch || tool === undefined) {
      return await this.#writeSingle(single, awaited);
    }
    await this.#learn(tool.name, signal);
    const second = await post();
    if (isStream(second)) return await this.#relay(second, awaited);
    await this.#writeSingle(await readSingle(second, await this.#link.address()), awaited);
  }

  /** The gateway wants parameters repeated in headers: only the tool's schema says which. */
  async #learn(tool: string, signal: AbortSignal): Promise<void> {
    const address = await this.#link.address();
    const schema = await inputSchemaOf({ address, bundle: this.#options.bundle, signal }, tool);
    if (this.#schemas.size >= schemasMax) this.#schemas.clear();
    this.#schemas.set(tool, schema);
  }

  #legacyRequest(
    message: Message,
    body: string,
    awaited: Awaited,
    signal: AbortSignal,
  ): Promise<void> {
    const before = this.#turn;
    if (message.method !== "initialize") {
      this.#session.remember(message);
      return this.#legacyExchange(before, body, awaited, signal);
    }
    const within = AbortSignal.any([signal, AbortSignal.timeout(initializeTimeoutMs)]);
    const work = before.then(() => this.#initialize(message, body, awaited, within));
    this.#turn = work.catch(() => undefined);
    return work;
  }

  async #legacyExchange(
    before: Promise<void>,
    body: string,
    awaited: Awaited,
    signal: AbortSignal,
  ): Promise<void> {
    await before;
    await this.#relayLegacy(await this.#session.post(body, signal), awaited, signal);
  }

  async #initialize(
    message: Message,
    body: string,
    awaited: Awaited,
    signal: AbortSignal,
  ): Promise<void> {
    const answer = await this.#session.initialize(message, body, signal);
    if (!isStream(answer)) {
      const single = await readSingle(answer, await this.#link.address());
      this.#session.settle(single.message);
      return await this.#writeSingle(single, awaited);
    }
    const write = (line: string): Promise<void> => {
      this.#session.settle(messageShape.safeParse(parse(line)).data);
      return this.#writer.write(line);
    };
    await relayStream(answer, write, { lastEventId: undefined, retryMs: undefined }, awaited);
  }

  async #relayLegacy(answer: HttpAnswer, awaited: Awaited, signal: AbortSignal): Promise<void> {
    if (!isStream(answer)) {
      return await this.#writeSingle(await readSingle(answer, await this.#link.address()), awaited);
    }
    const position: StreamPosition = { lastEventId: undefined, retryMs: undefined };
    let stream: HttpAnswer | undefined = answer;
    for (let resumes = 0; stream !== undefined && resumes <= resumesMax; resumes += 1) {
      await relayStream(stream, (line) => this.#writer.write(line), position, awaited).catch(
        (error: unknown) => {
          if (signal.aborted) throw error;
        },
      );
      if (awaited.done) return;
      stream = await this.#session.resume(position, signal);
    }
  }

  async #relay(answer: HttpAnswer, awaited: Awaited): Promise<void> {
    const position: StreamPosition = { lastEventId: undefined, retryMs: undefined };
    await relayStream(answer, (line) => this.#writer.write(line), position, awaited);
  }

  /** An error that could not name the request, or a batch's one error, is repeated for each request that waits. */
  async #writeSingle(
    single: { text: string; message: Message | undefined },
    awaited: Awaited,
  ): Promise<void> {
    const before = awaited.ids.length;
    awaited.strike(single.text);
    const { error } = single.message ?? {};
    if (awaited.ids.length < before || error === undefined) {
      await this.#writer.write(single.text);
      return;
    }
    for (const id of awaited.ids) {
      const line = JSON.stringify({ jsonrpc: "2.0", id, error });
      awaited.strike(line);
      await this.#writer.write(line);
    }
  }

  async #acceptNotice(message: Message, text: string): Promise<void> {
    const cancelled =
      message.method === "notifications/cancelled"
        ? cancellation.safeParse(message.params)
        : undefined;
    const pending = cancelled?.success
      ? this.#pending.get(idKey(cancelled.data.requestId))
      : undefined;
    if (pending?.era === "modern") {
      pending.controller.abort();
      return;
    }
    const revision = claimedRevision(message.params);
    if (revision !== undefined) {
      await this.#inTurn(() => this.#modernNotice(revision, message, text));
      return;
    }
    await this.#inTurn(async () => {
      await this.#session.notice(text);
      pending?.controller.abort();
      if (message.method === "notifications/initialized") this.#session.listen();
    });
  }

  async #modernNotice(revision: string, message: Message, body: string): Promise<void> {
    const answer = await this.#link.send({
      method: "POST",
      headers: {
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
        ...modernHeaders(revision, message.method ?? "", message.params),
      },
      body,
      signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(10_000)]),
    });
    answer.body.resume();
  }

  async #acceptBatch(items: readonly unknown[], text: string): Promise<void> {
    const messages = items.map((item) => messageShape.safeParse(item).data);
    const ids = messages.flatMap((item) =>
      item?.method !== undefined && item.id !== undefined && item.id !== null ? [item.id] : [],
    );
    if (items.length === 0 || messages.includes(undefined)) {
      await this.#writer.write(
        errorLine(
          null,
          errorCodes.invalidRequest,
          "The batch holds what is not a JSON-RPC message.",
        ),
      );
      return;
    }
    if (ids.length === 0) {
      await this.#inTurn(() => this.#session.notice(text));
      return;
    }
    const awaited = new Awaited(ids);
    const signal = this.#stop.signal;
    const work = this.#legacyExchange(this.#turn, text, awaited, signal);
    await this.#room();
    this.#track(this.#answered(work, awaited, signal));
  }

  /** Runs after the legacy messages before it, and before those after it. */
  async #inTurn(work: () => Promise<void>): Promise<void> {
    await this.#room();
    const turn = this.#turn.then(work).catch((error: unknown) => {
      if (!this.#stop.signal.aborted)
        this.#options.note(`A message could not be delivered: ${messageOf(error)}`);
    });
    this.#turn = turn;
    this.#track(turn);
  }

  /** Waits while too much is under way that is not a request; each of those ends within its own deadline. */
  async #room(): Promise<void> {
    const max = 2 * (this.#options.inFlightMax ?? 256);
    while (this.#tasks.size >= max) await Promise.race(this.#tasks);
  }

  #track(task: Promise<unknown>): void {
    const tracked = task.then(
      () => undefined,
      () => undefined,
    );
    this.#tasks.add(tracked);
    void tracked.finally(() => this.#tasks.delete(tracked));
  }
}

const toolCall = z.looseObject({ name: z.string(), arguments: z.unknown() });
const identified = z.looseObject({ id: requestId });
const cancellation = z.looseObject({ requestId });

function isMessage({ method, result, error, id }: Message): boolean {
  return method !== undefined || (id !== undefined && (result ?? error) !== undefined);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function said(error: CliError): string {
  return [error.message, error.remedy].filter((sentence) => sentence !== undefined).join(" ");
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
