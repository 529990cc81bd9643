// Numbers a double cannot hold (64-bit ids are common in tool results) must not change on their way to the screen.
// Node 24 gives the source text of a number to the reviver and writes raw JSON back; TypeScript's library lacks both.
declare global {
  interface JSON {
    rawJSON(text: string): object;
  }
}

/** Parses JSON keeping numbers that a double would change as raw JSON; throws SyntaxError. */
export function parseExact(text: string): unknown {
  return JSON.parse(text, exactNumber);
}

function exactNumber(_key: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source;
  if (typeof value !== "number" || source === undefined || String(value) === source) return value;
  return JSON.rawJSON(source);
}
