/**
 * What a bundle takes of its servers. Names are matched as the server writes them and as clients see them, so that a name
 * copied from a list works. A URI can be written in many ways: it is taken as it is written, left out in whichever of its
 * usual spellings an exclusion names, and never taken where it climbs ("..") out of what is included.
 */
import {
  climbs,
  couldMatchServer,
  matchesAny,
  spellings,
  toPattern,
  type NamePattern,
} from "../access/index.ts";
import type { BundleOptions } from "./options.ts";

/** The selection of one bundle; without options everything is taken. */
export class Selection {
  readonly #everything: boolean;
  readonly #include: readonly NamePattern[];
  readonly #exclude: readonly NamePattern[];

  constructor(options: Pick<BundleOptions, "include" | "exclude"> | undefined) {
    this.#include = (options?.include ?? ["*"]).map(toPattern);
    this.#exclude = (options?.exclude ?? []).map(toPattern);
    this.#everything =
      this.#exclude.length === 0 && this.#include.some(({ text }) => /^\*+$/.test(text));
  }

  /** Whether anything of the server could be taken. */
  mayTake(server: string): boolean {
    return this.#include.some((pattern) => couldMatchServer(pattern, server));
  }

  /** Whether a tool or prompt is taken; `publicName` is the name under which clients see it unless it is renamed. */
  takesName(server: string, original: string, publicName: string): boolean {
    if (this.#everything) return true;
    const names = [`${server}__${original}`, publicName];
    return (
      names.some((name) => matchesAny(this.#include, name)) &&
      !names.some((name) => matchesAny(this.#exclude, name))
    );
  }

  /** Whether a resource, by the server's own URI or URI template, is taken. */
  takesUri(server: string, uri: string): boolean {
    if (this.#everything) return true;
    if (climbs(uri) || !matchesAny(this.#include, `${server}__${uri}`)) return false;
    return (
      this.#exclude.length === 0 ||
      !spellings(uri).some((spelling) => matchesAny(this.#exclude, `${server}__${spelling}`))
    );
  }
}
