import type { Readable } from "node:stream";

export type Line = { kind: "line"; text: string } | { kind: "too-long" };

/** Lines of a stream, without their ends; one longer than `bytesMax` is skipped to its end and reported once. */
export async function* readLines(input: Readable, bytesMax: number): AsyncGenerator<Line> {
  let parts: Buffer[] = [];
  let size = 0;
  let skipping = false;
  for await (const chunk of input as AsyncIterable<Buffer | string>) {
    const bytes = Buffer.from(chunk);
    let from = 0;
    for (let end = bytes.indexOf(0x0a); end !== -1; end = bytes.indexOf(0x0a, from)) {
      const last = bytes.subarray(from, end);
      from = end + 1;
      yield skipping || size + last.length > bytesMax
        ? { kind: "too-long" }
        : lineOf([...parts, last]);
      parts = [];
      size = 0;
      skipping = false;
    }
    const rest = bytes.subarray(from);
    size += rest.length;
    if (size > bytesMax) {
      skipping = true;
      parts = [];
    } else if (!skipping) {
      parts.push(rest);
    }
  }
  if (!skipping && size > 0) yield lineOf(parts);
}

function lineOf(parts: readonly Buffer[]): Line {
  return { kind: "line", text: Buffer.concat(parts).toString("utf8").trim() };
}
