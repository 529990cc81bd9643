import { expect, test } from "vitest";
import type { SecretRow } from "./secrets.ts";
import { openTestDatabase, openTestStore } from "./test-database.ts";

function row(id: string, more: Partial<SecretRow> = {}): SecretRow {
  return {
    id,
    project: "default",
    name: id,
    sealed: `v1.old.${id}`,
    keyId: "old",
    createdAt: 1_000,
    createdBy: "key_1",
    updatedAt: 1_000,
    updatedBy: "key_1",
    ...more,
  };
}

test("a secret is kept as it was put, replaced, used and removed", async () => {
  await using store = await openTestStore();
  const owned = row("b", { owner: "key_2", project: "blue" });
  await store.secrets.put(row("a"));
  await store.secrets.put(owned);
  expect(await store.secrets.list()).toEqual([owned, row("a")]);
  const replaced = row("a", { sealed: "v1.new.a", keyId: "new", updatedAt: 2_000, updatedBy: "k" });
  await store.secrets.put(replaced);
  await store.secrets.touch(new Map([["a", 5_000]]));
  await store.secrets.touch(new Map([["a", 4_000]]));
  expect((await store.secrets.list())[1]).toEqual({ ...replaced, lastUsedAt: 5_000 });
  expect(await store.secrets.remove("a")).toBe(true);
  expect(await store.secrets.remove("a")).toBe(false);
});

test("a name is taken once in a project, and once by each of its people", async () => {
  await using store = await openTestStore();
  await store.secrets.put(row("1", { name: "token" }));
  await store.secrets.put(row("2", { name: "token", owner: "key_1" }));
  await store.secrets.put(row("3", { name: "token", owner: "key_2" }));
  await store.secrets.put(row("4", { name: "token", project: "blue" }));
  for (const double of [row("5", { name: "token" }), row("6", { name: "token", owner: "key_2" })])
    await expect(store.secrets.put(double)).rejects.toMatchObject({ code: "CONFLICT" });
});

test("other gateways hear of a changed secret, and not of one that was used or sealed anew", async () => {
  await using database = await openTestDatabase();
  await using store = await openTestStore(database);
  await using other = await openTestStore(database);
  let changes = 0;
  other.onChange(() => {
    changes += 1;
  });
  await store.secrets.put(row("a"));
  await expect.poll(() => changes).toBe(1);
  await store.secrets.touch(new Map([["a", 5_000]]));
  const { sealed } = row("a");
  const anew = { key: ["a"], was: sealed, sealed: "v1.new.a" };
  const column = { table: "signalbox.secrets", key: ["id"], keyId: "key_id" };
  expect(await store.sealed.reseal(column, [anew], "new")).toEqual([["a"]]);
  await store.secrets.put(row("a", { updatedAt: 2_000 }));
  await expect.poll(() => changes).toBe(2);
});
