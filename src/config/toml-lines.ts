// The TOML parser does not say where a value stands, and a message without a line sends its reader searching. This reads
// the keys only. It runs on text that the parser has accepted, so it need not check anything itself.
import { pathText } from "./setting-path.ts";

/** The line of every table and key in a valid TOML text, by their path; lists count from 0. */
export function linesOfKeys(toml: string): Map<string, number> {
  const reader = new Reader(toml);
  const lines = new Map<string, number>();
  const listLengths = new Map<string, number>();
  let table: string[] = [];
  while (reader.skipBlank()) {
    const line = reader.line;
    if (reader.peek() === "[") {
      table = header(reader, listLengths);
      table.forEach((_, index) => note(lines, table.slice(0, index + 1), line));
    } else {
      keyAndValue(reader, table, lines);
    }
  }
  return lines;
}

function header(reader: Reader, listLengths: Map<string, number>): string[] {
  const isList = reader.startsWith("[[");
  reader.skip(isList ? 2 : 1);
  const names = reader.key();
  reader.skip(isList ? 2 : 1);
  // A name that stands for a list of tables means its latest entry: [[servers.a.endpoints]], [servers.a.endpoints.headers].
  const path: string[] = [];
  for (const [index, name] of names.entries()) {
    path.push(name);
    const text = pathText(path);
    const length = listLengths.get(text) ?? 0;
    const opens = isList && index === names.length - 1;
    if (opens) listLengths.set(text, length + 1);
    if (opens || length > 0) path.push(String(opens ? length : length - 1));
  }
  return path;
}

function keyAndValue(reader: Reader, table: readonly string[], lines: Map<string, number>): void {
  const line = reader.line;
  const path = [...table, ...reader.key()];
  note(lines, path, line);
  reader.skip(1); // =
  value(reader, path, lines);
}

function value(reader: Reader, path: readonly string[], lines: Map<string, number>): void {
  reader.skipBlank();
  if (reader.peek() === "[") list(reader, path, lines);
  else if (reader.peek() === "{") inlineTable(reader, path, lines);
  else reader.scalar();
}

function list(reader: Reader, path: readonly string[], lines: Map<string, number>): void {
  reader.skip(1);
  for (let index = 0; reader.skipBlank() && reader.peek() !== "]"; index++) {
    const item = [...path, String(index)];
    note(lines, item, reader.line);
    value(reader, item, lines);
    reader.skipComma();
  }
  reader.skip(1);
}

function inlineTable(reader: Reader, path: readonly string[], lines: Map<string, number>): void {
  reader.skip(1);
  while (reader.skipBlank() && reader.peek() !== "}") {
    keyAndValue(reader, path, lines);
    reader.skipComma();
  }
  reader.skip(1);
}

function note(lines: Map<string, number>, path: readonly string[], line: number): void {
  const text = pathText(path);
  if (!lines.has(text)) lines.set(text, line);
}

class Reader {
  readonly #text: string;
  #at = 0;
  #countedTo = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  /** The line of the next character, from 1. */
  get line(): number {
    for (; this.#countedTo < this.#at; this.#countedTo++) {
      if (this.#text[this.#countedTo] === "\n") this.#line++;
    }
    return this.#line;
  }

  peek(): string {
    return this.#text.charAt(this.#at);
  }

  startsWith(text: string): boolean {
    return this.#text.startsWith(text, this.#at);
  }

  skip(characters: number): void {
    this.#at += characters;
  }

  /** Passes over blanks, line ends and comments; false at the end of the text. */
  skipBlank(): boolean {
    this.#match(/(?:[\s\uFEFF]+|#[^\n]*)*/y);
    return this.#at < this.#text.length;
  }

  skipComma(): void {
    this.skipBlank();
    if (this.peek() === ",") this.skip(1);
  }

  key(): string[] {
    const names: string[] = [];
    do {
      this.#match(/[ \t]*/y);
      names.push(unquoted(this.#match(/"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+/y)));
      this.#match(/[ \t]*/y);
    } while (this.#match(/\./y) !== "");
    return names;
  }

  /** A string, number, date or truth value. At worst one character, so that reading always ends. */
  scalar(): void {
    const text = this.#match(
      /"""(?:[^\\]|\\[\s\S])*?"""+|'''[\s\S]*?'''+|"(?:[^"\\]|\\.)*"|'[^']*'|[^,\]}#\n]+/y,
    );
    if (text === "") this.skip(1);
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const text = pattern.exec(this.#text)?.[0] ?? "";
    this.#at += text.length;
    return text;
  }
}

function unquoted(name: string): string {
  if (name.startsWith("'")) return name.slice(1, -1);
  if (!name.startsWith('"')) return name;
  try {
    return String(JSON.parse(name));
  } catch {
    return name.slice(1, -1); // an escape that only TOML has
  }
}
