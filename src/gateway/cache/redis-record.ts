/** An answer as it lies in Redis: a line of JSON about it, then its bytes. */
import { isJsonObject, parseJson, stringify } from "../../protocol/index.ts";

export interface RedisRecord {
  readonly body: Buffer;
  /** What was valid when the server was asked. */
  readonly stamp: string;
  readonly told: boolean;
}

export function encodeRecord({ body, stamp, told }: RedisRecord): Buffer {
  const head = `${stringify({ stamp, told, bytes: body.length })}\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

/** Undefined where it is not one of ours, or not whole. */
export function decodeRecord(bytes: Buffer): RedisRecord | undefined {
  const end = bytes.indexOf(LF);
  if (end < 0 || end > HEAD_BYTES_MAX) return undefined;
  const head = readHead(bytes.toString("utf8", 0, end));
  if (head?.bytes !== bytes.length - end - 1) return undefined;
  // Its own memory: what the library gives may be a part of something larger.
  const body = Buffer.allocUnsafeSlow(head.bytes);
  bytes.copy(body, 0, end + 1);
  return { body, stamp: head.stamp, told: head.told };
}

const LF = 0x0a;
const HEAD_BYTES_MAX = 1024;

function readHead(text: string): { stamp: string; told: boolean; bytes: number } | undefined {
  try {
    const head = parseJson(text);
    if (!isJsonObject(head)) return undefined;
    const { stamp, told, bytes } = head;
    if (typeof stamp !== "string" || typeof told !== "boolean" || typeof bytes !== "number") {
      return undefined;
    }
    return { stamp, told, bytes };
  } catch {
    return undefined;
  }
}
