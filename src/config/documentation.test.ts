import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { namesAt } from "./schema-node.ts";

const page = await readFile(new URL("../../docs/configuration.md", import.meta.url), "utf8");
const accessPage = await readFile(new URL("../../docs/access.md", import.meta.url), "utf8");
const serversPage = await readFile(new URL("../../docs/servers.md", import.meta.url), "utf8");

/** The page up to its first table of settings with a name, and from each such table's heading to the next. */
const sections = new Map<string, string>();
const headings = [...page.matchAll(/^(?:\| \*\*|## )`\[(\w+)\]`/gm)];
const starts = headings.map(({ index }) => index);
sections.set("", page.slice(0, starts[0]));
for (const [at, [, name = ""]] of headings.entries()) {
  sections.set(name, page.slice(starts[at], starts[at + 1]));
}

const tables = namesAt([]).filter((name) => name !== "services" && namesAt([name]).length > 0);
const plain = namesAt([]).filter((name) => !tables.includes(name));

test.each(plain)("%s is documented", (name) => {
  const named = ["servers", "services", "bundles", "projects", "roles"].includes(name);
  const text = named ? page : sections.get("");
  const shown = named ? `\`[${name}.<name>]\`` : `\`${name}\``;
  expect(text).toContain(shown);
});

test.each(tables.flatMap((table) => namesAt([table]).map((name) => [table, name] as const)))(
  "%s.%s is documented where its table is",
  (table, name) => {
    expect(sections.get(table) ?? "").toContain(`\`${name}\``);
  },
);

test.each([
  ["servers", serversPage],
  ["bundles", serversPage],
  ["projects", accessPage],
  ["roles", accessPage],
])("every option of %s is documented with them", (table, text) => {
  // Named in the text, or set in an example.
  const missing = namesAt([table, "any"]).filter(
    (name) =>
      !new RegExp(`\`${name}\`|^${name} = |^\\[${table}\\.\\w+\\.${name}\\.`, "m").test(text),
  );
  expect(namesAt([table, "any"])).not.toEqual([]);
  expect(missing).toEqual([]);
});
