// JSON with comments and trailing commas, which is what editors write; strict in everything else. Our own reader because
// JSON.parse names neither line nor column for most mistakes, and quotes the file (with its secrets) in its messages.

/** Nesting beyond this is refused. */
const depthMax = 100;

/** Parses JSONC; throws SyntaxError that says what is wrong on which line and column, without quoting the file. */
export function parseJsonc(text: string): unknown {
  const reader = new Reader(text.startsWith("\uFEFF") ? text.slice(1) : text);
  return reader.document();
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): unknown {
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.#text.length)
      throw this.#mistake("There is text after the end of the value");
    return value;
  }

  #value(depth: number): unknown {
    if (depth > depthMax) throw this.#mistake("The values are nested too deeply");
    this.#space();
    const next = this.#text[this.#at];
    if (next === "{") return this.#object(depth);
    if (next === "[") return this.#array(depth);
    if (next === '"') return this.#string();
    return this.#word();
  }

  #object(depth: number): Record<string, unknown> {
    const found = new Map<string, unknown>();
    this.#list("}", () => {
      if (this.#text[this.#at] !== '"') throw this.#mistake("A name in double quotes is expected");
      const name = this.#string();
      this.#space();
      if (this.#text[this.#at] !== ":") throw this.#mistake('A ":" is expected');
      this.#at += 1;
      const value = this.#value(depth + 1);
      if (name !== "__proto__") found.set(name, value);
    });
    return Object.fromEntries(found);
  }

  #array(depth: number): unknown[] {
    const found: unknown[] = [];
    this.#list("]", () => found.push(this.#value(depth + 1)));
    return found;
  }

  /** The items between the bracket here and `close`, with a comma between them and perhaps after the last. */
  #list(close: "}" | "]", item: () => void): void {
    this.#at += 1;
    this.#space();
    while (this.#text[this.#at] !== close) {
      item();
      this.#space();
      if (this.#text[this.#at] === ",") {
        this.#at += 1;
        this.#space();
      } else if (this.#text[this.#at] !== close) {
        throw this.#mistake(`A "," or "${close}" is expected`);
      }
    }
    this.#at += 1;
  }

  #string(): string {
    const token = /"(?:[^"\\\n\r]|\\.)*"/y;
    token.lastIndex = this.#at;
    const [found] = token.exec(this.#text) ?? [];
    if (found === undefined) throw this.#mistake("A string is not closed on its line");
    const value = parsed(found);
    if (typeof value !== "string")
      throw this.#mistake("A string holds an escape or a character that JSON does not have");
    this.#at += found.length;
    return value;
  }

  #word(): unknown {
    const token = /[\w.+-]+/y;
    token.lastIndex = this.#at;
    const [found] = token.exec(this.#text) ?? [];
    const value = found === undefined ? undefined : parsed(found);
    if (found === undefined || value === undefined) throw this.#mistake("A value is expected");
    this.#at += found.length;
    return value;
  }

  #space(): void {
    const blank = /(?:[ \t\n\r]+|\/\/[^\n\r]*|\/\*[^]*?\*\/)*/y;
    blank.lastIndex = this.#at;
    this.#at += blank.exec(this.#text)?.[0].length ?? 0;
    if (this.#text.startsWith("/*", this.#at)) throw this.#mistake("A comment is not closed");
  }

  #mistake(what: string): SyntaxError {
    const before = this.#text.slice(0, this.#at).split(/\r\n|\n|\r/);
    const column = (before.at(-1)?.length ?? 0) + 1;
    return new SyntaxError(`${what} (line ${String(before.length)}, column ${String(column)})`);
  }
}

function parsed(token: string): unknown {
  try {
    return JSON.parse(token);
  } catch {
    return undefined;
  }
}
