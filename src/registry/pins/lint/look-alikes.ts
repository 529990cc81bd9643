/** Names that look like others: letters of another alphabet, one letter changed, or simply the same name at two servers. */
import { excerptAt, visible } from "./visible.ts";
import type { Finding } from "./finding.ts";

// What of Cyrillic, Greek and the rest looks like a Latin letter or a digit in common typefaces (from Unicode's list of
// confusables, as far as names of tools can make use of it). Full-width and mathematical letters fall to NFKC.
const LIKE_LATIN: Readonly<Record<string, string>> = {
  а: "a",
  ӑ: "a",
  α: "a",
  ɑ: "a",
  Ь: "b",
  ь: "b",
  в: "b",
  β: "b",
  с: "c",
  ϲ: "c",
  ᴄ: "c",
  ч: "4",
  ԁ: "d",
  ɗ: "d",
  е: "e",
  ё: "e",
  є: "e",
  ε: "e",
  ҽ: "e",
  ғ: "f",
  ƒ: "f",
  ɡ: "g",
  ց: "g",
  һ: "h",
  н: "h",
  հ: "h",
  η: "n",
  і: "i",
  ї: "i",
  ı: "i",
  ι: "i",
  ɩ: "i",
  ј: "j",
  ϳ: "j",
  к: "k",
  κ: "k",
  ӏ: "l",
  ǀ: "l",
  "|": "l",
  м: "m",
  μ: "u",
  п: "n",
  ո: "n",
  о: "o",
  ο: "o",
  σ: "o",
  օ: "o",
  ө: "o",
  р: "p",
  ρ: "p",
  ԛ: "q",
  զ: "q",
  г: "r",
  ѕ: "s",
  ꜱ: "s",
  т: "t",
  τ: "t",
  υ: "u",
  ս: "u",
  ц: "u",
  ν: "v",
  ѵ: "v",
  ԝ: "w",
  ш: "w",
  ω: "w",
  х: "x",
  χ: "x",
  у: "y",
  γ: "y",
  ү: "y",
  ᴢ: "z",
  ζ: "z",
  з: "3",
  ʒ: "3",
  б: "6",
};

const IGNORABLE = /[\p{Cf}\p{Mn}\p{DI}]/gu;
const NAME_READ_MAX = 256;

/** What a name looks like: equal for names that a reader takes for one another. */
export function skeletonOf(name: string): string {
  const plain = name
    .slice(0, NAME_READ_MAX)
    .normalize("NFKD")
    .replaceAll(IGNORABLE, "")
    .toLowerCase()
    .replaceAll(/[._\-\s]+/g, "_");
  let skeleton = "";
  for (const letter of plain) skeleton += LIKE_LATIN[letter] ?? letter;
  return skeleton
    .replaceAll("0", "o")
    .replaceAll(/[1i]/g, "l")
    .replaceAll("rn", "m")
    .replaceAll("vv", "w");
}

/** A name that mixes alphabets, or hides something. */
export function mixedScripts(name: string): Finding[] {
  const latin = /\p{Script=Latin}/u.test(name);
  const other = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}]/u.exec(name);
  if (!latin || other === null) return [];
  return [
    {
      id: "name.mixed_scripts",
      severity: "high",
      where: "/name",
      message: "A name of letters of two alphabets that look alike.",
      excerpt: `${excerptAt(name, other.index, 1)} (${escaped(other[0])})`,
    },
  ];
}

function escaped(letter: string): string {
  return `\\u{${(letter.codePointAt(0) ?? 0).toString(16).toUpperCase()}}`;
}

export interface NameOwner {
  readonly server: string;
  readonly name: string;
  /** Epoch milliseconds: of two names the older one is the one that is imitated. */
  readonly firstSeen: number;
}

/** Shorter names are too often one letter apart. */
const NEAR_LENGTH_MIN = 7;

/** All names there are, to tell which of them look alike. */
export class NameIndex {
  readonly #bySkeleton = new Map<string, NameOwner[]>();
  readonly #byLength = new Map<number, NameOwner[]>();
  readonly #byName = new Map<string, NameOwner[]>();

  add(owner: NameOwner): void {
    append(this.#byName, owner.name, owner);
    append(this.#bySkeleton, skeletonOf(owner.name), owner);
    if (owner.name.length >= NEAR_LENGTH_MIN && owner.name.length <= NAME_READ_MAX) {
      append(this.#byLength, owner.name.length, owner);
    }
  }

  /** Whose names this one imitates or shadows: those that were there before it, at other servers. */
  imitated(one: NameOwner): Finding[] {
    const alike = (this.#bySkeleton.get(skeletonOf(one.name)) ?? []).filter((other) =>
      isOlder(other, one),
    );
    const same = alike.find((other) => other.name === one.name);
    const similar = alike.find(
      (other) => other.name !== one.name && !isOtherSpelling(other.name, one.name),
    );
    const near = similar === undefined && same === undefined ? this.#near(one) : undefined;
    const findings: Finding[] = [];
    if (similar !== undefined) {
      findings.push(
        named(
          "name.look_alike",
          "high",
          `Looks like "${visible(similar.name, true)}" of "${similar.server}", and is another name.`,
          one,
        ),
      );
    }
    if (same !== undefined) {
      findings.push(
        named("name.shadowed", "low", `"${same.server}" offered a thing of this name before.`, one),
      );
    }
    if (near !== undefined) {
      findings.push(
        named(
          "name.near",
          "medium",
          `Is one character away from "${visible(near.name, true)}" of "${near.server}".`,
          one,
        ),
      );
    }
    return findings;
  }

  /** Which of the words in a description are names of another server's tools, and of none of its own. */
  mentioned(one: NameOwner, words: readonly string[]): Finding[] {
    for (const word of words) {
      const [server = "", tool] = splitPublic(word);
      const owners = this.#byName.get(tool ?? word) ?? [];
      if (owners.some((owner) => owner.server === one.server)) continue;
      const other = owners.find((owner) => tool === undefined || owner.server === server);
      if (other === undefined) continue;
      return [
        {
          id: "mentions.other_tool",
          severity: tool === undefined ? "low" : "medium",
          where: "/description",
          message: `Speaks of "${visible(other.name, true)}", a tool of "${other.server}".`,
          excerpt: visible(word, true),
        },
      ];
    }
    return [];
  }

  #near(one: NameOwner): NameOwner | undefined {
    const candidates = this.#byLength.get(one.name.length) ?? [];
    return candidates.find(
      (other) =>
        isOlder(other, one) &&
        isOneCharacterAway(other.name, one.name) &&
        !isOtherSpelling(other.name, one.name),
    );
  }
}

function append<K>(map: Map<K, NameOwner[]>, key: K, owner: NameOwner): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [owner]);
  else list.push(owner);
}

function isOlder(other: NameOwner, one: NameOwner): boolean {
  if (other.server === one.server) return false;
  return (
    other.firstSeen < one.firstSeen ||
    (other.firstSeen === one.firstSeen && other.server < one.server)
  );
}

// `list-issues` and `list_issues` are one name in two styles, as are `listIssues` and `listissues`: nobody is deceived.
function isOtherSpelling(one: string, other: string): boolean {
  return lettersOf(one) === lettersOf(other);
}

function lettersOf(name: string): string {
  return name.toLowerCase().replaceAll(/[._\-\s]/g, "");
}

// Digits count things (`v1`, `v2`), and the first letter tells honest verbs apart (`get_issue`, `set_issue`).
function isOneCharacterAway(one: string, other: string): boolean {
  let differences = 0;
  let at = 0;
  for (let index = 0; index < one.length; index++) {
    if (one.charCodeAt(index) === other.charCodeAt(index)) continue;
    at = index;
    if (++differences > 2) return false;
  }
  const swapped = differences === 2 && one[at] === other[at - 1] && one[at - 1] === other[at];
  if ((differences !== 1 || at === 0) && !swapped) return false;
  return !/\d/.test(`${one[at] ?? ""}${other[at] ?? ""}`);
}

function named(
  id: string,
  severity: Finding["severity"],
  message: string,
  { name }: NameOwner,
): Finding {
  return { id, severity, where: "/name", message, excerpt: visible(name, true) };
}

function splitPublic(word: string): [string?, string?] {
  const at = word.indexOf("__");
  return at <= 0 ? [] : [word.slice(0, at), word.slice(at + 2)];
}
