const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Cn}\p{Zl}\p{Zp}\p{DI}\u2800]/gu;

/** Text in which what a reader cannot see stands as `\u{...}`. Line ends and tabs stay unless `oneLine`. */
export function visible(text: string, oneLine = false): string {
  return text.replaceAll(HIDDEN, (character) => {
    if (!oneLine && (character === "\n" || character === "\t")) return character;
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16).toUpperCase()}}`;
  });
}

const AROUND = 40;
const EXCERPT_MAX = 160;

/** A piece of a text around a place, on one line and with everything in it visible. */
export function excerptAt(text: string, at: number, length: number): string {
  const from = Math.max(0, at - AROUND);
  const until = Math.min(text.length, at + Math.min(length, EXCERPT_MAX) + AROUND);
  const piece = visible(text.slice(from, until).toWellFormed(), true);
  return `${from > 0 ? "…" : ""}${piece}${until < text.length ? "…" : ""}`;
}
