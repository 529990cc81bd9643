import { expect, test } from "vitest";
import { openTestDatabase, openTestStore } from "./test-database.ts";

const column = { table: "signalbox.oauth_tokens", key: ["server", "subject"], with: ["issuer"] };
const connection = (subject: string, sealed = `v1.old.${subject}.x`) => ({
  server: "files",
  subject,
  issuer: "https://as.example",
  scopes: [],
  sealed,
});
const anew = (subject: string) => ({
  key: ["files", subject],
  was: `v1.old.${subject}.x`,
  sealed: `v1.new.${subject}.x`,
});

test("what another key has sealed is found in portions, by primary key", async () => {
  await using store = await openTestStore();
  for (const subject of ["c", "a", "b"]) await store.connections.put(connection(subject));
  await store.connections.put(connection("d", "v1.new.d.x"));
  const first = await store.sealed.otherwise(column, "new", undefined, 2);
  expect(first).toEqual([
    { key: ["files", "a"], sealed: "v1.old.a.x", with: ["https://as.example"] },
    { key: ["files", "b"], sealed: "v1.old.b.x", with: ["https://as.example"] },
  ]);
  const rest = await store.sealed.otherwise(column, "new", ["files", "b"], 2);
  expect(rest.map(({ key }) => key)).toEqual([["files", "c"]]);
  expect(await store.sealed.count(column, "new")).toBe(3);
});

test("a portion is kept where rows are unchanged, and leaves the others and their versions alone", async () => {
  await using store = await openTestStore();
  const versions = new Map<string, number>();
  for (const subject of ["a", "b"])
    versions.set(subject, await store.connections.put(connection(subject)));
  const renewed = connection("b", "v1.old.renewed.x");
  await store.connections.renew(renewed, versions.get("b") ?? 0);
  const kept = await store.sealed.reseal(column, [anew("a"), anew("b"), anew("gone")], "new");
  expect(kept).toEqual([["files", "a"]]);
  expect(await store.connections.get("files", "a")).toMatchObject({
    sealed: "v1.new.a.x",
    version: versions.get("a"),
  });
  expect(await store.connections.get("files", "b")).toMatchObject({ sealed: "v1.old.renewed.x" });
  // Whoever was renewing while the row was sealed anew stores the newer tokens all the same.
  const later = connection("a", "v1.new.later.x");
  expect(await store.connections.renew(later, versions.get("a") ?? 0)).toBeDefined();
  expect(await store.connections.get("files", "a")).toMatchObject({ sealed: "v1.new.later.x" });
});

test("rotations of several gateways and renewals at once hold nobody up and lose no renewal", async () => {
  await using database = await openTestDatabase();
  await using one = await openTestStore(database);
  await using other = await openTestStore(database);
  const subjects = Array.from({ length: 60 }, (_, n) => `s${String(n).padStart(2, "0")}`);
  const versions = new Map<string, number>();
  for (const subject of subjects)
    versions.set(subject, await one.connections.put(connection(subject)));
  const renewed = subjects.filter((_, n) => n % 3 === 0);
  const [kept, keptToo] = await Promise.all([
    one.sealed.reseal(column, subjects.map(anew), "new"),
    other.sealed.reseal(column, subjects.toReversed().map(anew), "new"),
    ...renewed.map(async (subject) => {
      const newer = connection(subject, `v1.new.${subject}.newer`);
      expect(await other.connections.renew(newer, versions.get(subject) ?? 0)).toBeDefined();
    }),
  ]);
  const rows = await one.connections.list();
  expect(rows.map(({ sealed }) => sealed)).toEqual(
    subjects.map((subject) => `v1.new.${subject}.${renewed.includes(subject) ? "newer" : "x"}`),
  );
  const both = [...kept, ...keptToo].map((key) => key[1]);
  expect(new Set(both).size).toBe(both.length);
});
