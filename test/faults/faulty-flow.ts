// One direction of one connection through a fault proxy.
//
//   open ──a cut, or the end of its source──▶ ended ──▶ over
//     └──bytes swallowed──▶ lossy ──faults changed──▶ over, by a reset: a stream with a hole must not go on
import type { Socket } from "node:net";
import type { Clock } from "../../src/foundation/index.ts";
import type { Cut, Faults } from "./fault-proxy.ts";

/** What the flows of one direction have in common. */
export interface FlowOwner {
  faults: Faults;
  /** Counts how often the faults were set. */
  setting: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Bytes on their way, or the end of the stream. */
interface Part {
  bytes: Buffer | undefined;
  readonly arrivedAt: number;
  /** From -1 to 1: this part's share of the jitter. */
  readonly luck: number;
}

/** Bytes on their way at once; beyond that the source is not read. */
const bytesMax = 1024 * 1024;
/** A limited bandwidth is kept to in portions of a twentieth of a second. */
const portionsPerSecond = 20;

export class FaultyFlow {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #owner: FlowOwner;
  readonly #cut: (how: Cut["how"]) => void;
  readonly #parts: Part[] = [];
  #bytes = 0;
  #delivering = false;
  #lossy = false;
  #over = false;
  #awake = new AbortController();
  #setting = 0;
  /** Since the faults were set. */
  #passedBytes = 0;
  #untilFlip = 0;

  constructor(from: Socket, to: Socket, owner: FlowOwner, cut: (how: Cut["how"]) => void) {
    this.#from = from;
    this.#to = to;
    this.#owner = owner;
    this.#cut = cut;
    from.on("data", (bytes: Buffer) => this.#arrived(bytes));
    from.once("end", () => this.#arrived(undefined));
    from.once("close", () => {
      if (from.errored !== null) this.stop();
    });
  }

  /** Takes note of other faults at once. */
  faultsChanged(): void {
    this.#wake();
    if (this.#lossy && this.#owner.faults.blackhole !== "swallow") this.#cut("reset");
  }

  /** Sends a FIN and passes nothing more. */
  end(): void {
    if (this.#over) return;
    this.stop();
    this.#to.end();
  }

  /** Passes nothing more; the source is read on, so that its end is noticed. */
  stop(): void {
    this.#over = true;
    this.#parts.length = 0;
    this.#from.resume();
    this.#wake();
  }

  #arrived(bytes: Buffer | undefined): void {
    if (this.#over) return;
    const { clock, random } = this.#owner;
    this.#parts.push({ bytes, arrivedAt: clock.monotonicMs(), luck: random() * 2 - 1 });
    this.#bytes += bytes?.length ?? 0;
    if (this.#bytes >= bytesMax) this.#from.pause();
    void this.#deliver();
  }

  async #deliver(): Promise<void> {
    if (this.#delivering) return;
    this.#delivering = true;
    for (let part = this.#parts[0]; part !== undefined; part = this.#parts[0]) {
      const faults = this.#faultsNow();
      if (faults.blackhole === "swallow") this.#swallow();
      else if (faults.blackhole === "hold") await aborted(this.#awake.signal);
      else if (this.#dueInMs(part, faults) > 0) await this.#pause(this.#dueInMs(part, faults));
      else if (part.bytes === undefined) this.end();
      else await this.#pass(part, part.bytes, faults);
    }
    this.#delivering = false;
  }

  #faultsNow(): Faults {
    if (this.#setting !== this.#owner.setting) {
      this.#setting = this.#owner.setting;
      this.#passedBytes = 0;
      this.#untilFlip = 0;
    }
    return this.#owner.faults;
  }

  #dueInMs(part: Part, { latencyMs = 0, jitterMs = 0 }: Faults): number {
    const dueAt = part.arrivedAt + latencyMs + jitterMs * part.luck;
    return dueAt - this.#owner.clock.monotonicMs();
  }

  #swallow(): void {
    this.#lossy = true;
    this.#parts.length = 0;
    this.#bytes = 0;
    this.#from.resume();
  }

  async #pass(part: Part, bytes: Buffer, faults: Faults): Promise<void> {
    const { cut, slice, bytesPerSecond = Infinity } = faults;
    const room = cut === undefined ? Infinity : Math.max(0, cut.afterBytes - this.#passedBytes);
    if (cut !== undefined && room === 0) {
      this.#spend(cut);
      return;
    }
    const portion = Math.max(1, Math.floor(bytesPerSecond / portionsPerSecond));
    const piece = bytes.subarray(0, Math.min(room, portion, slice?.bytes ?? Infinity));
    if (piece.length === bytes.length) this.#parts.shift();
    else part.bytes = bytes.subarray(piece.length);
    this.#bytes -= piece.length;
    if (this.#bytes < bytesMax) this.#from.resume();
    this.#passedBytes += piece.length;
    await written(this.#to, this.#corrupted(piece, faults));
    const pauseMs = Math.max(slice?.pauseMs ?? 0, (piece.length * 1000) / bytesPerSecond);
    if (pauseMs > 0 && !this.#over) await this.#pause(pauseMs);
  }

  #spend(cut: Cut): void {
    const left = (cut.times ?? Infinity) - 1;
    const { cut: _, ...others } = this.#owner.faults;
    this.#owner.faults = left > 0 ? { ...others, cut: { ...cut, times: left } } : others;
    this.#cut(cut.how);
  }

  #corrupted(piece: Buffer, { corruptEveryBytes }: Faults): Buffer {
    if (corruptEveryBytes === undefined) return piece;
    const { random } = this.#owner;
    const corrupted = Buffer.from(piece);
    // At the first byte after a setting the distance is drawn too, so that not every stream begins with a wrong byte.
    const distance = (): number => Math.max(1, Math.ceil(random() * 2 * corruptEveryBytes));
    if (this.#untilFlip === 0) this.#untilFlip = distance();
    while (this.#untilFlip <= corrupted.length) {
      const at = this.#untilFlip - 1;
      corrupted[at] = (corrupted[at] ?? 0) ^ (1 << Math.floor(random() * 8));
      this.#untilFlip += distance();
    }
    this.#untilFlip -= corrupted.length;
    return corrupted;
  }

  async #pause(ms: number): Promise<void> {
    await this.#owner.pause(ms, this.#awake.signal);
  }

  #wake(): void {
    this.#awake.abort();
    this.#awake = new AbortController();
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

// Resolves also when the socket broke: its own events tell of that.
async function written(socket: Socket, bytes: Buffer): Promise<void> {
  await new Promise<void>((resolve) => {
    socket.write(bytes, () => resolve());
  });
}
