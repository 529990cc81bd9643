// What the servers list now, as this gateway sees it, with what a person should look at.
import { PINNED_KINDS, type PinnedKind } from "../../gateway/index.ts";
import type { Examined } from "./examined.ts";
import type { Finding } from "./lint/finding.ts";
import { NameIndex } from "./lint/look-alikes.ts";
import type { Pin, PinKey } from "./pin.ts";

export interface ListedItem extends Examined {
  readonly held: boolean;
}

/** What is offered to some clients only is remembered up to this many names of a kind and server. */
const LISTED_MAX = 20_000;

export class Listed {
  readonly #items = new Map<string, Map<string, ListedItem>>();
  #names: NameIndex | undefined;

  /** What all share is the whole list; what a class of clients is offered beside it is added. */
  set(server: string, kind: PinnedKind, items: readonly ListedItem[], shared: boolean): void {
    const place = `${server} ${kind}`;
    const before = this.#items.get(place);
    const now = new Map(shared ? [] : before);
    for (const item of items) {
      if (shared || (!now.has(item.name) && now.size < LISTED_MAX)) now.set(item.name, item);
    }
    this.#items.set(place, now);
    this.#names = undefined;
  }

  gone(server: string): void {
    for (const kind of PINNED_KINDS) this.#items.delete(`${server} ${kind}`);
    this.#names = undefined;
  }

  get({ server, kind, name }: PinKey): ListedItem | undefined {
    return this.#items.get(`${server} ${kind}`)?.get(name);
  }

  /** Everything that is listed, with its key. */
  *all(): Generator<[PinKey, ListedItem]> {
    for (const [place, items] of this.#items) {
      const [server = "", of] = place.split(" ");
      const kind = PINNED_KINDS.find((one) => one === of) ?? "tools";
      for (const [name, item] of items) yield [{ server, kind, name }, item];
    }
  }

  /** Everything about a listed thing that a person should look at: by itself, and beside those of other servers. */
  findingsOf(
    key: PinKey,
    pinOf: (key: PinKey) => Pin | undefined,
    now: number,
  ): readonly Finding[] {
    const item = this.get(key);
    if (item === undefined) return [];
    if (key.kind !== "tools") return item.findings;
    const names = (this.#names ??= this.#index(pinOf, now));
    const { server } = key;
    const one = { server, name: item.original, firstSeen: pinOf(key)?.firstSeen ?? now };
    return [...item.findings, ...names.imitated(one), ...names.mentioned(one, item.mentions)];
  }

  /** Pins of other ages than before make others the imitators. */
  reorder(): void {
    this.#names = undefined;
  }

  #index(pinOf: (key: PinKey) => Pin | undefined, now: number): NameIndex {
    const index = new NameIndex();
    for (const [key, { original }] of this.all()) {
      if (key.kind !== "tools") continue;
      const firstSeen = pinOf(key)?.firstSeen ?? now;
      index.add({ server: key.server, name: original, firstSeen });
    }
    return index;
  }
}
