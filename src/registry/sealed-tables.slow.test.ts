import { randomBytes } from "node:crypto";
import pg from "pg";
import { expect, test } from "vitest";
import { z } from "zod";
import { sealedClients, sealedFlows, sealedTokens, Vault } from "../access/index.ts";
import { openTestDatabase, openTestStore } from "../store/test-database.ts";
import { reseal } from "./resealing.ts";
import { sealedTables } from "./sealed-tables.ts";

test("the list has every sealed column of the database, with its primary key", async () => {
  await using database = await openTestDatabase();
  await (await openTestStore(database)).close();
  const columns = await namesIn(
    database.url,
    `SELECT table_schema || '.' || table_name AS name FROM information_schema.columns
     WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND column_name ~ 'sealed'`,
  );
  expect(columns.toSorted()).toEqual(sealedTables.map(({ table }) => table).toSorted());
  for (const { table, key } of sealedTables) {
    const names = await namesIn(
      database.url,
      `SELECT attname::text AS name FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)
       WHERE indrelid = '${table}'::regclass AND indisprimary ORDER BY array_position(indkey, attnum)`,
    );
    expect(names).toEqual(key);
  }
});

async function namesIn(url: string, query: string): Promise<string[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const { rows } = await client.query(query);
    return z
      .array(z.object({ name: z.string() }))
      .parse(rows)
      .map(({ name }) => name);
  } finally {
    await client.end();
  }
}

test("what is sealed for any of them opens with the new key alone once everything is sealed anew", async () => {
  await using store = await openTestStore();
  const [old, next] = [randomBytes(32), randomBytes(32)];
  const before = new Vault();
  before.unlock([old]);
  const seal = (purpose: string, place: string): string => before.for(purpose).seal("it", place);
  await store.connections.put({
    server: "files",
    subject: "ada",
    issuer: "https://as.example",
    scopes: [],
    sealed: seal(sealedTokens.purpose, sealedTokens.place("files", "ada")),
  });
  const callback = "https://gateway.example/connect/callback";
  const client = seal(sealedClients.purpose, sealedClients.place("https://as.example", callback));
  await store.connections.putClient("https://as.example", callback, client);
  await store.connections.putFlow({
    stateHash: "h",
    nonce: "n",
    sealed: seal(sealedFlows.purpose, sealedFlows.place("h")),
    expiresAt: Date.now() + 60_000,
  });
  const during = new Vault();
  during.unlock([next, old]);
  const tables: string[] = [];
  for (let after: string | undefined = ""; after !== undefined;) {
    const done: Awaited<ReturnType<typeof reseal>> = await reseal(
      { vault: during, store: store.sealed },
      { after, limit: 1 },
    );
    expect(done).toMatchObject({ unreadable: [], left: 0 });
    if (done.resealed > 0) tables.push(done.table);
    after = done.next;
  }
  expect(tables).toEqual(["connections", "clients", "consents"]);
  const vault = new Vault();
  vault.unlock([next]);
  const opened = (purpose: string, place: string, sealed = ""): string =>
    vault.for(purpose).open(sealed, place);
  const tokens = await store.connections.get("files", "ada");
  expect(opened(sealedTokens.purpose, sealedTokens.place("files", "ada"), tokens?.sealed)).toBe(
    "it",
  );
  const known = await store.connections.client("https://as.example", callback);
  expect(
    opened(sealedClients.purpose, sealedClients.place("https://as.example", callback), known),
  ).toBe("it");
  const flow = await store.connections.takeFlow("h");
  expect(opened(sealedFlows.purpose, sealedFlows.place("h"), flow?.sealed)).toBe("it");
});
