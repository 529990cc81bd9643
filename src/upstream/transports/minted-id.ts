// Finds the integer id we minted in the bytes of an answer and puts the caller's id in its place, without
// parsing: the id stands right after the opening (Python, Go, Rust SDKs) or at the very end (TypeScript).
// In valid JSON a hit is certain: the head is compared from the first byte, and what stands before the
// last brace is a member of the outermost object. Anything else is for the parser.
import { lineMargin } from "./line-splitter.ts";

/** The last id found: its value and where its digits stand. One, reused: the search must not allocate. */
export const found = { id: 0, from: 0, to: 0 };

/** Finds the id of an answer written as the SDKs write it; false where it must be parsed to know. */
export function findId(bytes: Buffer, start: number, end: number): boolean {
  if (end - start < shortestAnswer || bytes[end - 1] !== closeBrace) return false;
  if (findIdAtHead(bytes, start)) return true;
  return startsAnswer(bytes, start + 1) && findIdAtTail(bytes, start, end);
}

/** As `findId`, of an answer whose end is not known. */
export function findIdAtHead(bytes: Buffer, start: number): boolean {
  if (!has(bytes, start, head)) return false;
  const from = start + head.length;
  let id = 0;
  let at = from;
  for (let byte = bytes[at]; isDigit(byte); byte = bytes[at]) {
    id = id * 10 + byte - zero;
    at += 1;
  }
  if (at === from || at - from > digitsMax) return false;
  if (bytes[at] !== comma || !startsAnswer(bytes, at + 1)) return false;
  found.id = id;
  found.from = from;
  found.to = at;
  return true;
}

/** As `findId`, of an answer whose start is not known. */
export function findIdAtTail(bytes: Buffer, start: number, end: number): boolean {
  const to = end - 1;
  let id = 0;
  let at = to;
  let unit = 1;
  for (let byte = bytes[at - 1]; isDigit(byte); byte = bytes[at - 1]) {
    id += (byte - zero) * unit;
    unit *= 10;
    at -= 1;
  }
  if (at === to || to - at > digitsMax || bytes[to] !== closeBrace) return false;
  if (at - tail.length < start || !has(bytes, at - tail.length, tail)) return false;
  found.id = id;
  found.from = at;
  found.to = to;
  return true;
}

/** The answer with `idText` where `found` says the id stands; owned bytes are changed in place. */
export function withFoundId(
  bytes: Buffer,
  start: number,
  end: number,
  owned: boolean,
  idText: string,
): Buffer {
  const { from, to } = found;
  const grows = Buffer.byteLength(idText) - (to - from);
  if (owned && grows <= lineMargin) return changedInPlace(bytes, start, end, grows, idText);
  const answer = Buffer.allocUnsafe(end - start + grows);
  bytes.copy(answer, 0, start, from);
  answer.write(idText, from - start);
  bytes.copy(answer, to - start + grows, to, end);
  return answer;
}

/** Moves the shorter side by what the id grows, into the margin. */
function changedInPlace(
  bytes: Buffer,
  start: number,
  end: number,
  grows: number,
  idText: string,
): Buffer {
  const { from, to } = found;
  if (end - to < from - start) {
    bytes.copyWithin(to + grows, to, end);
    bytes.write(idText, from);
    return bytes.subarray(start, end + grows);
  }
  bytes.copyWithin(start - grows, start, from);
  bytes.write(idText, from - grows);
  return bytes.subarray(start - grows, end);
}

const comma = 44;
const zero = 48;
const nine = 57;
const closeBrace = 125;
const digitsMax = 15;

const head = Buffer.from('{"jsonrpc":"2.0","id":');
const tail = Buffer.from(',"jsonrpc":"2.0","id":');
const resultKey = Buffer.from('"result":');
const errorKey = Buffer.from('"error":');
const shortestAnswer = head.length + resultKey.length;

function startsAnswer(bytes: Buffer, at: number): boolean {
  return has(bytes, at, resultKey) || has(bytes, at, errorKey);
}

function has(bytes: Buffer, at: number, text: Buffer): boolean {
  for (let index = 0; index < text.length; index += 1) {
    if (bytes[at + index] !== text[index]) return false;
  }
  return true;
}

function isDigit(byte: number | undefined): byte is number {
  return byte !== undefined && byte >= zero && byte <= nine;
}
