import type { Dispatcher } from "undici";
import type { ExchangeSink } from "../lane.ts";
import { headIdAt, mayEndWithId, tailIdFromEnd, windowOf, withIdBytes } from "./answer-id.ts";

/** A JSON answer that is passed on as it comes, its id replaced at the head or at the very end. */
export class LargeAnswer {
  readonly #sink: ExchangeSink;
  readonly #idText: string;
  readonly #callerIdText: string;
  /** The last bytes, kept back where the id stands at the end: it is checked before they are passed on. */
  #held: Buffer | undefined;

  /** The answer that begins with `first`, or undefined where its id cannot be found without reading it whole. */
  static begin(
    sink: ExchangeSink,
    first: Buffer,
    length: number | undefined,
    idText: string,
    callerIdText: string,
  ): LargeAnswer | undefined {
    const head = first.toString("latin1", 0, Math.min(windowOf(idText.length), first.length));
    const at = headIdAt(head, idText);
    if (at < 0 && !mayEndWithId(head)) return undefined;
    return new LargeAnswer(sink, first, length, { at, idText, callerIdText });
  }

  private constructor(
    sink: ExchangeSink,
    first: Buffer,
    length: number | undefined,
    id: { at: number; idText: string; callerIdText: string },
  ) {
    this.#sink = sink;
    this.#idText = id.idText;
    this.#callerIdText = id.callerIdText;
    const grows = Buffer.byteLength(id.callerIdText) - Buffer.byteLength(id.idText);
    const whole = length === undefined ? undefined : length + grows;
    if (id.at < 0) sink.begin(this.#holdBack(first), whole);
    else sink.begin(withIdBytes(first, id.at, id.idText.length, id.callerIdText), whole);
  }

  relay(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const bytes = this.#held === undefined ? chunk : this.#holdBack(chunk);
    if (bytes.length > 0 && !this.#sink.chunk(bytes)) controller.pause();
  }

  /** Passes the last bytes on; false where they do not hold the id, so that nothing must follow. */
  end(): boolean {
    const held = this.#held;
    if (held === undefined) return true;
    const fromEnd = tailIdFromEnd(held.toString("latin1"), this.#idText);
    if (fromEnd < 0) return false;
    const at = held.length - fromEnd;
    this.#sink.chunk(withIdBytes(held, at, this.#idText.length, this.#callerIdText));
    return true;
  }

  #holdBack(chunk: Buffer): Buffer {
    const all = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk]);
    const keep = Math.min(windowOf(this.#idText.length), all.length);
    this.#held = all.subarray(all.length - keep);
    return all.subarray(0, all.length - keep);
  }
}
