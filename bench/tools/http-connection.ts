/**
 * An HTTP/1.1 client over a raw socket, one request in flight. It costs a fraction of what a general client costs, so
 * that on a small machine the load generator leaves the processor to the process under test. It reads bodies with a
 * length, chunked ones, and those that end with the connection; interim answers are skipped.
 */
import { connect, type Socket } from "node:net";

export interface Answer {
  readonly status: number;
  /** The header block as text, each line preceded by CR LF. */
  readonly head: string;
  readonly body: Buffer;
}

export type Done = (error: Error | undefined, answer: Answer) => void;

type State = "head" | "length" | "chunk-size" | "chunk" | "chunk-end" | "trailer" | "until-close";

const HEAD_END = Buffer.from("\r\n\r\n");
const EMPTY = Buffer.alloc(0);
const NO_ANSWER: Answer = { status: 0, head: "", body: EMPTY };

export class HttpConnection {
  readonly #host: string;
  readonly #port: number;
  #socket: Socket | undefined;
  #done: Done | undefined;
  #onHead: ((status: number) => void) | undefined;
  #state: State = "head";
  #rest: Buffer = EMPTY;
  #left = 0;
  #parts: Buffer[] = [];
  #status = 0;
  #head = "";
  #closes = false;
  #readsNothing = false;

  constructor(url: URL) {
    this.#host = url.hostname;
    this.#port = Number(url.port || 80);
  }

  /** Sends one whole request; `done` hears once. Connects first where there is no connection. */
  send(request: Buffer, done: Done): void {
    if (this.#done !== undefined) throw new Error("a request is already in flight");
    this.#done = done;
    if (this.#socket === undefined) this.#connect(request);
    else this.#socket.write(request);
  }

  /** Sends one request and resolves with its answer. */
  ask(request: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.send(request, (error, answer) => {
        if (error === undefined) resolve(answer);
        else reject(error);
      });
    });
  }

  /** Sends a request whose answer does not end; resolves with its status. What follows is read and forgotten. */
  stream(request: Buffer): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#onHead = resolve;
      this.send(request, (error) => reject(error ?? new Error("the stream ended")));
    });
  }

  /** Never reads from now on, as a client does that hangs. */
  readNothing(): void {
    this.#readsNothing = true;
    this.#socket?.pause();
  }

  /** Drops the connection; the next request opens another. */
  rest(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
  }

  close(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#done = undefined;
    socket?.destroy();
  }

  #connect(request: Buffer): void {
    const socket = connect({ host: this.#host, port: this.#port, noDelay: true });
    this.#socket = socket;
    this.#startOver();
    socket.on("connect", () => socket.write(request));
    socket.on("error", (error) => this.#lost(socket, error));
    socket.on("close", () => this.#lost(socket, new Error("the connection closed in mid-answer")));
    socket.on("data", (bytes) => this.#read(bytes));
    if (this.#readsNothing) socket.pause();
  }

  #startOver(): void {
    this.#state = "head";
    this.#rest = EMPTY;
    this.#parts = [];
    this.#head = "";
    this.#status = 0;
  }

  #lost(socket: Socket, error: Error): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    if (this.#state === "until-close") {
      this.#finish();
      return;
    }
    const done = this.#done;
    this.#done = undefined;
    this.#startOver();
    done?.(error, NO_ANSWER);
  }

  #finish(): void {
    const [first = EMPTY] = this.#parts;
    const body = this.#parts.length > 1 ? Buffer.concat(this.#parts) : first;
    const answer = { status: this.#status, head: this.#head, body };
    const done = this.#done;
    this.#done = undefined;
    this.#parts = [];
    this.#state = "head";
    if (this.#closes) this.close();
    done?.(undefined, answer);
  }

  #read(bytes: Buffer): void {
    let input = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes;
    this.#rest = EMPTY;
    for (;;) {
      const after = this.#step(input);
      if (after === undefined) {
        this.#rest = input;
        return;
      }
      input = after;
      if (input.length === 0 && !(this.#state === "length" && this.#left === 0)) return;
    }
  }

  // Takes one piece of the answer from the front of `input`; undefined where more bytes are needed.
  #step(input: Buffer): Buffer | undefined {
    switch (this.#state) {
      case "head":
        return this.#readHead(input);
      case "length":
      case "chunk":
        return this.#readBytes(input);
      case "chunk-size":
        return this.#readChunkSize(input);
      case "chunk-end":
        if (input.length < 2) return undefined;
        this.#state = "chunk-size";
        return input.subarray(2);
      case "trailer":
        return this.#readTrailer(input);
      case "until-close":
      default:
        this.#keep(input);
        return EMPTY;
    }
  }

  #readHead(input: Buffer): Buffer | undefined {
    const end = input.indexOf(HEAD_END);
    if (end < 0) return undefined;
    this.#head = input.toString("latin1", 0, end + 2);
    this.#status = Number(this.#head.slice(9, 12));
    const rest = input.subarray(end + 4);
    if (this.#status < 200) return rest;
    this.#closes = headerOf(this.#head, "connection")?.toLowerCase() === "close";
    const length = headerOf(this.#head, "content-length");
    const empty = this.#status === 204 || this.#status === 304;
    if (headerOf(this.#head, "transfer-encoding") !== undefined) this.#state = "chunk-size";
    else if (length === undefined && !empty) this.#state = "until-close";
    else {
      this.#state = "length";
      this.#left = Number(length ?? 0);
    }
    this.#onHead?.(this.#status);
    if (this.#state === "length" && this.#left === 0) this.#finish();
    return rest;
  }

  #readBytes(input: Buffer): Buffer {
    const taken = Math.min(this.#left, input.length);
    this.#keep(input.subarray(0, taken));
    this.#left -= taken;
    if (this.#left === 0) {
      if (this.#state === "length") this.#finish();
      else this.#state = "chunk-end";
    }
    return input.subarray(taken);
  }

  #readChunkSize(input: Buffer): Buffer | undefined {
    const end = input.indexOf("\r\n");
    if (end < 0) return undefined;
    this.#left = Number.parseInt(input.toString("latin1", 0, end), 16);
    this.#state = this.#left === 0 ? "trailer" : "chunk";
    return input.subarray(end + 2);
  }

  #readTrailer(input: Buffer): Buffer | undefined {
    const end = input.indexOf("\r\n");
    if (end < 0) return undefined;
    if (end === 0) this.#finish();
    return input.subarray(end + 2);
  }

  #keep(bytes: Buffer): void {
    if (this.#onHead === undefined) this.#parts.push(bytes);
  }
}

/** The first value of a header in an answer's head. */
export function headerOf(head: string, name: string): string | undefined {
  const at = head.toLowerCase().indexOf(`\r\n${name}:`);
  if (at < 0) return undefined;
  const start = at + 3 + name.length;
  return head.slice(start, head.indexOf("\r\n", start)).trim();
}

/** The bytes of one request. */
export function requestBytes(
  method: string,
  url: URL,
  headers: Readonly<Record<string, string>>,
  body = "",
): Buffer {
  const lines = [`${method} ${url.pathname}${url.search} HTTP/1.1`, `host: ${url.host}`];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (method === "POST") lines.push(`content-length: ${Buffer.byteLength(body)}`);
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n${body}`);
}
