import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NameIndex, mixedScripts, skeletonOf } from "./look-alikes.ts";

/** What is found about the last of them, each being of a server of its own unless told. */
function about(...names: (string | [server: string, name: string])[]): string[] {
  const index = new NameIndex();
  const owners = names.map((given, age) => {
    const [server, name] = typeof given === "string" ? [`s${age}`, given] : given;
    return { server, name, firstSeen: age };
  });
  for (const owner of owners) index.add(owner);
  const last = owners.at(-1);
  if (last === undefined) return [];
  return index.imitated(last).map(({ id, severity }) => `${id} ${severity}`);
}

describe("a name", () => {
  test.each([
    ["with Cyrillic letters", "read_file", "re\u0430d_file", "name.look_alike high"],
    ["with Greek letters", "read_note", "read_n\u03BFte", "name.look_alike high"],
    ["with a digit for a letter", "send_mail", "send_mai1", "name.look_alike high"],
    ["with a zero for an o", "read_log", "read_l0g", "name.look_alike high"],
    ["with rn for m", "commit_all", "cornmit_all", "name.look_alike high"],
    ["with full-width letters", "read_file", "ｒead_file", "name.look_alike high"],
    ["with something without width", "read_file", "read\u200B_file", "name.look_alike high"],
    ["that is the same", "read_file", "read_file", "name.shadowed low"],
    ["with one letter changed", "read_file", "read_fine", "name.near medium"],
    ["with two letters swapped", "read_file", "raed_file", "name.near medium"],
  ])("%s imitates the older one", (_, older, newer, expected) => {
    expect(about(older, newer)).toEqual([expected]);
  });

  test.each([
    ["of its own server", ["s", "read_file"], ["s", "read_fine"]],
    ["in another style", ["a", "list_issues"], ["b", "list-issues"]],
    ["in another case", ["a", "listIssues"], ["b", "listissues"]],
    ["with another digit", ["a", "get_item_v1"], ["b", "get_item_v2"]],
    ["of another verb", ["a", "get_issue"], ["b", "set_issue"]],
    ["that is short", ["a", "get"], ["b", "set"]],
    ["with two other letters", ["a", "read_file"], ["b", "read_mine"]],
  ] as [string, [string, string], [string, string]][])("%s does not", (_, older, newer) => {
    expect(about(older, newer)).toEqual([]);
  });

  test("is imitated by the newer one, never the other way round, also of the same age", () => {
    const index = new NameIndex();
    const older = { server: "a", name: "read_file", firstSeen: 1 };
    const newer = { server: "b", name: "re\u0430d_file", firstSeen: 1 };
    index.add(newer);
    index.add(older);
    expect(index.imitated(older)).toEqual([]);
    expect(index.imitated(newer)).toMatchObject([
      { where: "/name", message: expect.stringContaining('"read_file" of "a"') },
    ]);
  });

  test("of letters of two alphabets is found by itself, one of another alphabet is not", () => {
    expect(mixedScripts("re\u0430d")).toMatchObject([
      { id: "name.mixed_scripts", severity: "high", excerpt: String.raw`reаd (\u{430})` },
    ]);
    expect(mixedScripts("читать")).toEqual([]);
    expect(mixedScripts("read_件")).toEqual([]);
  });

  test("looks like itself, in whatever case, and has a skeleton whatever it is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 100 }), (name) => {
        expect(skeletonOf(name)).toBe(skeletonOf(name));
      }),
    );
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z_]{1,40}$/), (name) => {
        expect(skeletonOf(name.toUpperCase())).toBe(skeletonOf(name));
      }),
    );
  });
});

test("a description that names another server's tool is found, and one that names its own is not", () => {
  const index = new NameIndex();
  index.add({ server: "files", name: "read_file", firstSeen: 1 });
  index.add({ server: "notes", name: "add_note", firstSeen: 1 });
  const one = { server: "notes", name: "add_note", firstSeen: 1 };
  expect(index.mentioned(one, ["add_note", "nothing_of_these"])).toEqual([]);
  expect(index.mentioned(one, ["add_note", "read_file"])).toMatchObject([
    { id: "mentions.other_tool", severity: "low", excerpt: "read_file" },
  ]);
  expect(index.mentioned(one, ["files__read_file"])).toMatchObject([{ severity: "medium" }]);
  expect(index.mentioned(one, ["notes__read_file"])).toEqual([]);
});

test("thousands of names are compared without comparing each with each", () => {
  const index = new NameIndex();
  const owners = Array.from({ length: 4_000 }, (_, age) => ({
    server: `s${age % 50}`,
    name: `${age.toString(36)}_some_tool_${"x".repeat(age % 40)}`,
    firstSeen: age,
  }));
  for (const owner of owners) index.add(owner);
  for (const owner of owners) index.imitated(owner);
  const found = index.imitated({ server: "new", name: "a1_some_t0ol_xx", firstSeen: 5_000 });
  expect(found.length).toBeLessThanOrEqual(1);
});
