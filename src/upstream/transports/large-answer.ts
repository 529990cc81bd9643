import type { Dispatcher } from "undici";
import type { ExchangeSink } from "../lane.ts";
import { endOfJson, headIdAt, mayEndWithId, tailIdFromEnd, windowOf } from "./answer-id.ts";

/**
 * A JSON answer that is passed on as it comes. Its id is taken out where it stands, at the head or at the very end, and the
 * caller's is written at the very end: a reader takes the last of two members of one name, so whatever else the server calls
 * "id" in between, the answer is the caller's.
 */
export class LargeAnswer {
  readonly #sink: ExchangeSink;
  readonly #idText: string;
  readonly #callerIdText: string;
  readonly #idAtHead: boolean;
  /** The last bytes, kept back until it is known that the answer ends with them. */
  #held: Buffer;

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
    return new LargeAnswer(sink, first, length, {
      member: memberAt(head, at, idText),
      idText,
      callerIdText,
    });
  }

  private constructor(
    sink: ExchangeSink,
    first: Buffer,
    length: number | undefined,
    id: { member: Member | undefined; idText: string; callerIdText: string },
  ) {
    this.#sink = sink;
    this.#idText = id.idText;
    this.#callerIdText = id.callerIdText;
    this.#idAtHead = id.member !== undefined;
    const rest = id.member === undefined ? first : without(first, id.member);
    const taken =
      id.member === undefined ? tailMember(id.idText).length : first.length - rest.length;
    const grows = Buffer.byteLength(tailMember(id.callerIdText)) - taken;
    this.#held = EMPTY;
    sink.begin(this.#holdBack(rest), length === undefined ? undefined : length + grows);
  }

  relay(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const bytes = this.#holdBack(chunk);
    if (bytes.length > 0 && !this.#sink.chunk(bytes)) controller.pause();
  }

  /** Passes the last bytes on; false where the answer does not end with them as it must, so that nothing must follow. */
  end(): boolean {
    const tail = this.#held.toString("latin1");
    const brace = endOfJson(tail) - 1;
    if (tail[brace] !== "}") return false;
    let end = brace;
    if (!this.#idAtHead) {
      if (tailIdFromEnd(tail, this.#idText) < 0) return false;
      end -= tailMember(this.#idText).length;
    }
    this.#sink.chunk(
      Buffer.concat([
        this.#held.subarray(0, end),
        Buffer.from(tailMember(this.#callerIdText)),
        this.#held.subarray(brace),
      ]),
    );
    return true;
  }

  #holdBack(chunk: Buffer): Buffer {
    const all = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const keep = Math.min(windowOf(this.#idText.length), all.length);
    this.#held = all.subarray(all.length - keep);
    return all.subarray(0, all.length - keep);
  }
}

const EMPTY = Buffer.alloc(0);

/** Where the id's member stands in the head, with the comma that follows it. */
interface Member {
  readonly from: number;
  readonly to: number;
}

function memberAt(head: string, idAt: number, idText: string): Member | undefined {
  if (idAt < 0) return undefined;
  return { from: head.lastIndexOf('"id"', idAt), to: head.indexOf('"', idAt + idText.length) };
}

function without(bytes: Buffer, { from, to }: Member): Buffer {
  return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
}

function tailMember(idText: string): string {
  return `,"id":${idText}`;
}
