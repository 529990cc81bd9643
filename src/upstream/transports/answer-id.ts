// Finds the id of a JSON-RPC message in its text without parsing it. Two places are looked at: right
// after the version at the head (Python, Go, Rust and Java servers) and at the very end (TypeScript).
// Where the text is valid JSON a hit is certain: the head is compared from the first byte, and what
// stands before the last brace is a member of the outermost object. Anything else is for the parser.

const heads = ['{"jsonrpc":"2.0","id":', '{"jsonrpc": "2.0", "id": '] as const;
const afterId = [',"result":', ',"error":', ', "result":', ', "error":'] as const;
const responseStarts = [
  '{"result":',
  '{"error":',
  '{"jsonrpc":"2.0","result":',
  '{"jsonrpc":"2.0","error":',
] as const;

/** Characters of a head or tail that suffice to find an id of `idLength` characters. */
export function windowOf(idLength: number): number {
  return idLength + 48;
}

/** Where `idText` stands in a response that starts with `head`, or -1. */
export function headIdAt(head: string, idText: string): number {
  for (const prefix of heads) {
    if (!head.startsWith(prefix)) continue;
    const end = prefix.length + idText.length;
    if (!head.startsWith(idText, prefix.length)) return -1;
    for (const text of afterId) if (head.startsWith(text, end)) return prefix.length;
    return -1;
  }
  return -1;
}

/** Whether a response that starts with `head` may carry its id at the end. */
export function mayEndWithId(head: string): boolean {
  return responseStarts.some((start) => head.startsWith(start));
}

/** How many characters before the end of `tail` the id stands, or -1; `tail` ends where the message ends. */
export function tailIdFromEnd(tail: string, idText: string): number {
  const end = endOfJson(tail);
  const at = end - 1 - idText.length;
  if (at < 6 || tail.charCodeAt(end - 1) !== closeBrace) return -1;
  if (!tail.startsWith(idText, at) || !tail.startsWith(',"id":', at - 6)) return -1;
  return tail.length - at;
}

/** Where `idText` stands in the response `text`, or -1. */
export function idAtInText(text: string, idText: string): number {
  const head = headIdAt(text, idText);
  if (head >= 0) return text.charCodeAt(endOfJson(text) - 1) === closeBrace ? head : -1;
  if (!mayEndWithId(text)) return -1;
  const fromEnd = tailIdFromEnd(text, idText);
  return fromEnd < 0 ? -1 : text.length - fromEnd;
}

/** Where `idText` stands in the response `body`, or -1. */
export function idAtInBytes(body: Buffer, idText: string): number {
  const window = windowOf(idText.length);
  const head = body.toString("latin1", 0, Math.min(window, body.length));
  const tail = body.toString("latin1", Math.max(0, body.length - window), body.length);
  const atHead = headIdAt(head, idText);
  if (atHead >= 0) return tail.charCodeAt(endOfJson(tail) - 1) === closeBrace ? atHead : -1;
  if (!mayEndWithId(head)) return -1;
  const fromEnd = tailIdFromEnd(tail, idText);
  return fromEnd < 0 ? -1 : body.length - fromEnd;
}

/** A copy of `body` with the `oldLength` bytes at `at` replaced by the ASCII text `idText`. */
export function withIdBytes(body: Buffer, at: number, oldLength: number, idText: string): Buffer {
  const idBytes = Buffer.byteLength(idText);
  const out = Buffer.allocUnsafe(body.length - oldLength + idBytes);
  body.copy(out, 0, 0, at);
  out.write(idText, at);
  body.copy(out, at + idBytes, at + oldLength);
  return out;
}

const closeBrace = 0x7d;

/** Where the trailing blanks of `text` start. */
export function endOfJson(text: string): number {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) <= 0x20) end--;
  return end;
}
