// The legacy era's session, owned by the bridge because the client on stdio has none. A gateway that restarted knows no
// session any more: the client's own `initialize` is then sent again, with what it set since, and the client never notices.
//
//   none ──initialize──▶ open ──404──▶ renewing ──▶ open        open ──close──▶ none (DELETE)
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { messageOf } from "../../foundation/index.ts";
import { CliError, exitCodes } from "../exit-code.ts";
import type { HttpAnswer } from "../http-send.ts";
import { readMessage } from "../mcp/json-rpc.ts";
import type { Message } from "../mcp/json-rpc.ts";
import { Awaited, isStream, readSingle, relayStream } from "./answer.ts";
import type { StreamPosition } from "./answer.ts";
import type { GatewayLink } from "./gateway-link.ts";

const noticeTimeoutMs = 10_000;
const renewTimeoutMs = 60_000;
const deleteTimeoutMs = 2000;
const streamDelayMs = { first: 500, max: 10_000 };
/** Resource subscriptions remembered for a renewal; later ones are not. */
const subscriptionsMax = 1000;
const renewalId = "signalbox-renewal";

interface OpenSession {
  readonly id: string | undefined;
  readonly revision: string | undefined;
}

const noSession: OpenSession = { id: undefined, revision: undefined };
/** Stands for a session that could not be renewed: the gateway does not know it either, which asks for the next try. */
const lostId = "lost";

export interface LegacySessionDeps {
  link: GatewayLink;
  write: (line: string) => Promise<void>;
  note: (text: string) => void;
  signal: AbortSignal;
}

export class LegacySession {
  readonly #deps: LegacySessionDeps;
  #open: OpenSession = noSession;
  #initialize: Message | undefined;
  #logLevel: Message | undefined;
  readonly #subscriptions = new Map<string, Message>();
  #renewal: Promise<void> | undefined;
  #stream: AbortController | undefined;

  constructor(deps: LegacySessionDeps) {
    this.#deps = deps;
  }

  /** Sends one message of the session; when the session is gone it is renewed and the message sent again, once. */
  async post(body: string, signal: AbortSignal): Promise<HttpAnswer> {
    if (this.#renewal !== undefined) await Promise.race([this.#renewal, rejectedOn(signal)]);
    const used = this.#open;
    const answer = await this.#send("POST", signal, { body });
    if (answer.status !== 404 || used.id === undefined) return answer;
    answer.body.resume();
    await this.#renew(used, signal);
    return await this.#send("POST", signal, { body });
  }

  /** Starts a session with the client's `initialize`; the answer is for the client. */
  async initialize(message: Message, body: string, signal: AbortSignal): Promise<HttpAnswer> {
    await this.close();
    this.#initialize = message;
    this.#logLevel = undefined;
    this.#subscriptions.clear();
    const answer = await this.#send("POST", signal, { body });
    this.#open = { id: header(answer, "mcp-session-id"), revision: undefined };
    return answer;
  }

  /** Notes the revision that the answer to `initialize` settles on. */
  settle(answer: Message | undefined): void {
    const result = z.looseObject({ protocolVersion: z.string() }).safeParse(answer?.result);
    if (result.success) this.#open = { ...this.#open, revision: result.data.protocolVersion };
  }

  /** Sends a notification or an answer of the client, and waits until the gateway has taken it. */
  async notice(body: string): Promise<void> {
    const signal = AbortSignal.any([this.#deps.signal, AbortSignal.timeout(noticeTimeoutMs)]);
    const answer = await this.post(body, signal);
    answer.body.resume();
    if (answer.status >= 400) {
      this.#deps.note(
        `The gateway refused a message without an answer (HTTP ${String(answer.status)}).`,
      );
    }
  }

  /** Remembers what the client set, for a renewal. */
  remember(message: Message): void {
    if (message.method === "logging/setLevel") this.#logLevel = message;
    const uri = z.looseObject({ uri: z.string() }).safeParse(message.params).data?.uri;
    if (uri === undefined) return;
    if (message.method === "resources/unsubscribe") this.#subscriptions.delete(uri);
    if (message.method === "resources/subscribe" && this.#subscriptions.size < subscriptionsMax) {
      this.#subscriptions.set(uri, message);
    }
  }

  /** Opens the stream on which the gateway sends what belongs to no request; reopened for as long as the session lives. */
  listen(): void {
    this.#stream?.abort();
    if (this.#open.id === undefined) return;
    const stream = new AbortController();
    this.#stream = stream;
    void this.#keepListening(AbortSignal.any([this.#deps.signal, stream.signal]));
  }

  /** Takes up a stream that broke before its answer, where it broke; undefined when that cannot be done. */
  async resume(position: StreamPosition, signal: AbortSignal): Promise<HttpAnswer | undefined> {
    if (position.lastEventId === undefined) return undefined;
    await sleep(position.retryMs ?? streamDelayMs.first, undefined, { signal });
    const answer = await this.#send("GET", signal, { lastEventId: position.lastEventId });
    if (answer.status === 200 && isStream(answer)) return answer;
    answer.body.resume();
    return undefined;
  }

  /** Ends the session at the gateway, if there is one. */
  async close(): Promise<void> {
    this.#stream?.abort();
    this.#stream = undefined;
    const { id } = this.#open;
    if (id === undefined) return;
    try {
      const answer = await this.#send("DELETE", AbortSignal.timeout(deleteTimeoutMs));
      answer.body.resume();
    } catch {
      // The gateway is gone, and the session with it.
    }
    this.#open = noSession;
  }

  async #keepListening(signal: AbortSignal): Promise<void> {
    const position: StreamPosition = { lastEventId: undefined, retryMs: undefined };
    let delayMs = streamDelayMs.first;
    while (!signal.aborted) {
      const used = this.#open;
      try {
        const answer = await this.#send("GET", signal, { lastEventId: position.lastEventId });
        if (answer.status === 200 && isStream(answer)) {
          delayMs = streamDelayMs.first;
          await relayStream(answer, this.#deps.write, position);
        } else {
          answer.body.resume();
          if (answer.status === 404) return await this.#renew(used, signal);
          if (answer.status === 405) return;
        }
      } catch {
        // Lost: tried again below, for as long as the client is there.
      }
      await sleep(position.retryMs ?? delayMs, undefined, { signal }).catch(() => undefined);
      delayMs = Math.min(delayMs * 2, streamDelayMs.max);
    }
  }

  async #renew(lost: OpenSession, signal: AbortSignal): Promise<void> {
    if (this.#open.id !== lost.id) return;
    this.#renewal ??= this.#startAgain().finally(() => {
      this.#renewal = undefined;
    });
    await Promise.race([this.#renewal, rejectedOn(signal)]);
  }

  async #startAgain(): Promise<void> {
    if (this.#initialize === undefined) return;
    const signal = AbortSignal.any([this.#deps.signal, AbortSignal.timeout(renewTimeoutMs)]);
    try {
      const body = withId(this.#initialize);
      const answer = await this.#send("POST", signal, { body, session: noSession });
      const opened = { id: header(answer, "mcp-session-id"), revision: undefined };
      const message = await this.#answerOf(answer);
      if (message?.result === undefined)
        throw new Error(message?.error?.message ?? "no answer to initialize");
      this.#open = opened;
      this.settle(message);
      await this.#replay(signal);
      this.listen();
      this.#deps.note("The gateway had lost the session; it was opened again.");
    } catch (error) {
      this.#open = { id: lostId, revision: undefined };
      throw new CliError({
        exitCode: exitCodes.failed,
        code: "SESSION_LOST",
        message: `The session with the gateway was lost and could not be opened again: ${messageOf(error)}`,
        cause: error,
      });
    }
  }

  async #replay(signal: AbortSignal): Promise<void> {
    const initialized = JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" });
    const set = [...(this.#logLevel ? [this.#logLevel] : []), ...this.#subscriptions.values()];
    for (const body of [initialized, ...set.map(withId)]) {
      const answer = await this.#send("POST", signal, { body });
      if (answer.status === 202) answer.body.resume();
      else await this.#answerOf(answer);
    }
  }

  async #answerOf(answer: HttpAnswer): Promise<Message | undefined> {
    if (!isStream(answer))
      return (await readSingle(answer, await this.#deps.link.address())).message;
    let last: Message | undefined;
    const read = (line: string): Promise<void> => {
      last = readMessage(line);
      return last?.id === renewalId ? Promise.resolve() : this.#deps.write(line);
    };
    await relayStream(
      answer,
      read,
      { lastEventId: undefined, retryMs: undefined },
      new Awaited([renewalId]),
    );
    return last;
  }

  #send(
    method: "POST" | "GET" | "DELETE",
    signal: AbortSignal,
    parts: { body?: string; lastEventId?: string | undefined; session?: OpenSession } = {},
  ): Promise<HttpAnswer> {
    const { body, lastEventId, session = this.#open } = parts;
    const { id, revision } = session;
    return this.#deps.link.send({
      method,
      headers: {
        accept: method === "GET" ? "text/event-stream" : "application/json, text/event-stream",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(id === undefined ? {} : { "mcp-session-id": id }),
        ...(revision === undefined ? {} : { "mcp-protocol-version": revision }),
        ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }),
      },
      ...(body === undefined ? {} : { body }),
      signal,
    });
  }
}

function withId(message: Message): string {
  return JSON.stringify({ ...message, id: renewalId });
}

function header(answer: HttpAnswer, name: string): string | undefined {
  const value = answer.headers[name];
  return typeof value === "string" ? value : undefined;
}

function rejectedOn(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = (): void => {
      reject(signal.reason instanceof Error ? signal.reason : new Error("Cancelled."));
    };
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
}
