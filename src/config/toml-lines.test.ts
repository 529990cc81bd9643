import { parse, stringify } from "smol-toml";
import fc from "fast-check";
import { expect, test } from "vitest";
import { isTable, pathText } from "./setting-path.ts";
import { linesOfKeys } from "./toml-lines.ts";

test("keys are found in tables, lists of tables, inline tables, lists and behind long texts", () => {
  const lines = linesOfKeys(
    `# a comment
a = 1 # with = and [brackets]
"b c".'d' = "x # y" ; z = 2
[t.u]
text = """
k = 1
[no]
"""
raw = '''
k = "'
'''
after = [ # comment ]
  1,
  { x = "}", y = [
    2 ] },
]
[[t.list]]
n = 1
[[t.list]]
n = 2
[t.list.inner]
m = 2026-01-01 10:00:00
[[t.list.deep]]
o = +inf`.replace("; z = 2", ""),
  );
  const expected: [string, number][] = [
    ["a", 2],
    ['"b c".d', 3],
    ["t", 4],
    ["t.u", 4],
    ["t.u.text", 5],
    ["t.u.raw", 9],
    ["t.u.after", 12],
    ["t.u.after.0", 13],
    ["t.u.after.1.x", 14],
    ["t.u.after.1.y", 14],
    ["t.u.after.1.y.0", 15],
    ["t.list", 17],
    ["t.list.0", 17],
    ["t.list.0.n", 18],
    ["t.list.1", 19],
    ["t.list.1.n", 20],
    ["t.list.1.inner.m", 22],
    ["t.list.1.deep.0.o", 24],
  ];
  expect(expected.map(([path]) => [path, lines.get(path)])).toEqual(expected);
  expect([...lines.keys()].filter((path) => path.includes("k") || path.includes("no"))).toEqual([]);
});

test("whatever TOML says, every key has a line, and it is a line with that key", () => {
  const key = fc.oneof(
    fc.stringMatching(/^[a-z]{1,6}$/),
    fc.string({ minLength: 1, maxLength: 6 }),
  );
  const { table } = fc.letrec<{ table: Record<string, unknown>; value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.integer({ min: 0, max: 9 }),
      fc.string({ maxLength: 8 }),
      fc.boolean(),
      fc.array(fc.string({ maxLength: 4 }), { maxLength: 3 }),
      tie("table"),
      fc.array(tie("table"), { minLength: 1, maxLength: 2 }),
    ),
    table: fc.dictionary(key, tie("value"), { maxKeys: 4 }),
  }));
  fc.assert(
    fc.property(table, (tree) => {
      const toml = stringify(tree);
      const lines = linesOfKeys(toml);
      const missing = [...paths(parse(toml), [])].filter((path) => !lines.has(path));
      expect(missing).toEqual([]);
    }),
  );
});

function* paths(value: unknown, above: readonly string[]): Iterable<string> {
  if (above.length > 0) yield pathText(above);
  const entries = Array.isArray(value)
    ? [...value.entries()]
    : isTable(value)
      ? Object.entries(value)
      : [];
  for (const [name, item] of entries) yield* paths(item, [...above, String(name)]);
}
