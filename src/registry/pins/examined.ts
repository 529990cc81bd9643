// A definition is hashed and looked into once for each list that it comes in, a few at a time so that calls go on in between.
import { setImmediate } from "node:timers/promises";
import type { PinnedKind } from "../../gateway/index.ts";
import { canonicalText, definitionOf, hashOf, pinName, type Definition } from "./definition.ts";
import { lintDefinition, type Linted } from "./lint/lint-definition.ts";

export interface Examined extends Linted {
  /** As the server writes it. */
  readonly original: string;
  /** The name it is kept under. */
  readonly name: string;
  readonly hash: string;
}

type Item = Definition;

const SLICE_MS = 8;
/** What was looked into before is not looked into again. */
const KNOWN_MAX = 20_000;

export class Examiner {
  readonly #byItem = new WeakMap<Item, Examined>();
  readonly #linted = new Map<string, Linted>();

  /** Examines all items, yielding in between. */
  async examine(kind: PinnedKind, items: readonly Item[]): Promise<void> {
    let begun = performance.now();
    for (const item of items) {
      this.of(kind, item);
      if (performance.now() - begun < SLICE_MS) continue;
      await setImmediate();
      begun = performance.now();
    }
  }

  /** What is known of an item; undefined where it has no name. */
  of(kind: PinnedKind, item: Item): Examined | undefined {
    const known = this.#byItem.get(item);
    if (known !== undefined) return known;
    const original = item["name"];
    if (typeof original !== "string") return undefined;
    const definition = definitionOf(kind, item);
    const hash = hashOf(canonicalText(definition));
    const examined = { original, name: pinName(original), hash, ...this.#lint(hash, definition) };
    this.#byItem.set(item, examined);
    return examined;
  }

  #lint(hash: string, definition: Definition): Linted {
    const known = this.#linted.get(hash);
    if (known !== undefined) return known;
    const linted = lintDefinition(definition);
    if (this.#linted.size >= KNOWN_MAX) this.#linted.clear();
    this.#linted.set(hash, linted);
    return linted;
  }
}
