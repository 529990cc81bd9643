// What comes back for one POST, turned into lines: every message as it is, and for each request an answer, come what may.
import { refusal } from "../api-client.ts";
import { CliError, exitCodes } from "../exit-code.ts";
import type { GatewayAddress } from "../gateway-address.ts";
import { readText } from "../http-send.ts";
import type { HttpAnswer } from "../http-send.ts";
import { readMessage } from "../mcp/json-rpc.ts";
import type { Message, RequestId } from "../mcp/json-rpc.ts";
import { sseEvents } from "../mcp/sse-events.ts";

/** An answer larger than this is refused. */
const answerBytesMax = 64 * 1024 * 1024;

/** The requests of one POST that still wait for their answers. */
export class Awaited {
  readonly #ids: Map<string, RequestId>;

  constructor(ids: readonly RequestId[]) {
    this.#ids = new Map(ids.map((id) => [idKey(id), id]));
  }

  get ids(): readonly RequestId[] {
    return [...this.#ids.values()];
  }

  get done(): boolean {
    return this.#ids.size === 0;
  }

  /** Strikes off the requests that a message, or a batch of messages, answers. */
  strike(text: string): void {
    for (const { id, result, error } of messagesIn(text)) {
      if (id !== undefined && id !== null && (result ?? error) !== undefined)
        this.#ids.delete(idKey(id));
    }
  }
}

export function idKey(id: RequestId): string {
  return JSON.stringify(id);
}

export interface StreamPosition {
  lastEventId: string | undefined;
  retryMs: number | undefined;
}

/** Relays the events of a stream until it ends or nothing is awaited any more; keeps the position to resume from. */
export async function relayStream(
  answer: HttpAnswer,
  write: (line: string) => Promise<void>,
  position: StreamPosition,
  awaited?: Awaited,
): Promise<void> {
  for await (const { data, id, retryMs } of sseEvents(answer.body as AsyncIterable<Buffer>)) {
    if (id !== undefined) position.lastEventId = id;
    if (retryMs !== undefined) position.retryMs = retryMs;
    if (data === "") continue;
    awaited?.strike(data);
    await write(data);
    if (awaited?.done === true) return;
  }
}

export function isStream(answer: HttpAnswer): boolean {
  return answer.headers["content-type"]?.startsWith("text/event-stream") === true;
}

/** The answer that is not a stream: its text when it answers what is awaited, else the error it stands for. */
export async function readSingle(
  answer: HttpAnswer,
  address: GatewayAddress,
): Promise<{ text: string; message: Message | undefined }> {
  const text = await readText(answer.body, answerBytesMax);
  const [message] = messagesIn(text);
  if (message?.result !== undefined || message?.error !== undefined) return { text, message };
  throw answer.status >= 400
    ? refusal(address, answer, text)
    : new CliError({
        exitCode: exitCodes.failed,
        code: "ANSWER_MISSING",
        message: "The gateway answered without a JSON-RPC message.",
      });
}

function messagesIn(text: string): Message[] {
  if (!text.trimStart().startsWith("["))
    return [readMessage(text)].filter((found) => found !== undefined);
  try {
    const items: unknown = JSON.parse(text);
    return Array.isArray(items)
      ? items
          .map((item) => readMessage(JSON.stringify(item)))
          .filter((found) => found !== undefined)
      : [];
  } catch {
    return [];
  }
}
