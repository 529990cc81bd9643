import { StringDecoder } from "node:string_decoder";

/** The last lines a server wrote to its standard error: at most 200 of them, 64 KiB together, 4 KiB each. */
export class StderrRing {
  readonly #decoder = new StringDecoder("utf8");
  #lines: string[] = [];
  #bytes = 0;
  #rest = "";

  push(chunk: Buffer): void {
    const lines = (this.#rest + this.#decoder.write(chunk)).split("\n");
    this.#rest = cut(lines.pop() ?? "");
    for (const line of lines) this.#add(cut(line));
  }

  /** The lines, oldest first, an unfinished one included. */
  lines(): string[] {
    return this.#rest === "" ? [...this.#lines] : [...this.#lines, this.#rest];
  }

  /** The newest line that is not blank. */
  last(): string | undefined {
    return this.lines().findLast((line) => line.trim() !== "");
  }

  #add(line: string): void {
    this.#lines.push(line);
    this.#bytes += line.length;
    let drop = Math.max(0, this.#lines.length - linesMax);
    for (let at = 0; at < drop; at += 1) this.#bytes -= this.#lines[at]?.length ?? 0;
    while (this.#bytes > bytesMax && drop < this.#lines.length) {
      this.#bytes -= this.#lines[drop]?.length ?? 0;
      drop += 1;
    }
    if (drop > 0) this.#lines.splice(0, drop);
  }
}

const linesMax = 200;
const bytesMax = 64 * 1024;
const lineBytesMax = 4 * 1024;

function cut(line: string): string {
  const text = line.endsWith("\r") ? line.slice(0, -1) : line;
  return text.length <= lineBytesMax ? text : `${text.slice(0, lineBytesMax)}…`;
}
