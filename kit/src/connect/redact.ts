/** The text without these secrets, cut to what a sentence can hold. */
export function masked(text: string, secrets: readonly string[], lengthMax = 500): string {
  let clean = text;
  for (const secret of secrets) {
    if (secret.length >= secretLengthMin) clean = clean.replaceAll(secret, "[redacted]");
  }
  clean = clean.replaceAll(controls, " ").trim();
  return clean.length <= lengthMax ? clean : `${clean.slice(0, lengthMax - 1)}…`;
}

/** A copy of a JSON value in which the fields of these names, of whatever case, read "[redacted]". */
export function withoutFields(value: unknown, names: readonly string[]): unknown {
  const hidden = new Set(names.map((name) => name.toLowerCase()));
  const copy = (node: unknown, depth: number): unknown => {
    if (typeof node !== "object" || node === null || depth > depthMax) return node;
    if (Array.isArray(node)) return node.map((item) => copy(item, depth + 1));
    return Object.fromEntries(
      Object.entries(node).map(([name, item]) => [
        name,
        hidden.has(name.toLowerCase()) ? "[redacted]" : copy(item, depth + 1),
      ]),
    );
  };
  return hidden.size === 0 ? value : copy(value, 0);
}

/** A shorter one may be a word of every other sentence. */
const secretLengthMin = 6;
const depthMax = 50;
const controls = /[\p{Cc}\u2028\u2029]+/gu;
