/** Tool names with `*` for any run of characters; read once, then matched without going back over the text. */
export class ToolPattern {
  /** Characters other than `*`: of two patterns that match, the one with more of them says more. */
  readonly weight: number;
  /** How many stars; of two patterns of one weight, the one with fewer says more. */
  readonly stars: number;
  readonly #parts: readonly string[];

  constructor(text: string) {
    this.#parts = text.split("*");
    this.stars = this.#parts.length - 1;
    this.weight = text.length - this.stars;
  }

  matches(name: string): boolean {
    const first = this.#parts[0] ?? "";
    if (this.stars === 0) return name === first;
    const last = this.#parts.at(-1) ?? "";
    const end = name.length - last.length;
    if (end < first.length || !name.startsWith(first) || !name.endsWith(last)) return false;
    let from = first.length;
    for (let place = 1; place < this.stars; place++) {
      const part = this.#parts[place] ?? "";
      const found = name.indexOf(part, from);
      if (found === -1 || found + part.length > end) return false;
      from = found + part.length;
    }
    return true;
  }
}
