// The encryption key is changed under connections that are in use, with a real authorization server and an external database.
import { randomBytes } from "node:crypto";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { openTestDatabase, type TestDatabase } from "../../src/store/test-database.ts";
import { startAuthorizationServer, startProtectedServer } from "../support/authorization-server.ts";
import { Browser, consent } from "../support/browser.ts";
import { runNode } from "../support/child.ts";
import { connect } from "../support/client.ts";
import { startGateway, type GatewaySetup, type TestGateway } from "../support/gateway.ts";
import { inRoot } from "../support/root.ts";

test("with the earlier key taken away after a rotation, the gateway starts and every connection works", async () => {
  await using authorization = await startAuthorizationServer();
  authorization.accessTokenSeconds = 2;
  await using server = await startProtectedServer(authorization);
  await using database = await openTestDatabase();
  const [old, next] = [newKey(), newKey()];
  const environment = {
    DATABASE_URL: database.url,
    SIGNALBOX_ADMIN_KEY: `sbx_${randomBytes(32).toString("base64url")}`,
  };
  const start = async (keys: Record<string, string>): Promise<TestGateway> => {
    const setup: GatewaySetup = {
      settings: { outbound: { allow: ["127.0.0.1:*"] } },
      servers: {
        own: { url: server.url, oauth: {} },
        all: { url: server.url, oauth: { mode: "gateway" } },
        keyed: { url: server.url, headers: { Authorization: "Bearer ${secret:token}" } },
      },
      env: { ...environment, ...keys },
    };
    const gateway = await startGateway(setup);
    onTestFinished(async () => {
      if (!gateway.child.exited()) await gateway.stop();
    }, 60_000);
    return gateway;
  };

  const first = await start({ MCP_ENCRYPTION_KEY: old });
  await first.api("PUT", "/api/secrets/token", { value: "a-token-that-is-kept" });
  const cyd = await keyNamed("cyd", first);
  await consented("own", first, cyd, "cyd");
  const ada = await keyNamed("ada", first);
  await consented("own", first, ada, "ada");
  await consented("all", first, first.key, "robot");
  await beginConsent("own", first, await keyNamed("bea", first));
  expect(await whoami(first, "own", ada)).toBe("You are ada");
  await first.stop();

  const second = await start({ MCP_ENCRYPTION_KEY: next, MCP_ENCRYPTION_KEY_PREVIOUS: old });
  // Tokens run out within two seconds, and a refresh token works once: what is renewed meanwhile must be what is kept.
  const [rotated] = await Promise.all([
    rotate(second),
    whoami(second, "own", ada),
    whoami(second, "all", ada),
  ]);
  expect(rotated).toMatchObject({ left: 0, unreadable: [] });
  expect(rotated.tables.map(({ table }) => table)).toEqual([
    "secrets",
    "connections",
    "clients",
    "consents",
    "people",
  ]);
  // Nobody signs in here; people.test.ts has their codes.
  for (const { table, resealed } of rotated.tables)
    expect([table, resealed > 0]).toEqual([table, table !== "people"]);
  expect((await rotate(second)).resealed).toBe(0);
  await second.stop();
  expect(await keyIdsIn(database)).toHaveLength(1);

  const third = await start({ MCP_ENCRYPTION_KEY: next });
  expect(await whoami(third, "own", ada)).toBe("You are ada");
  expect(await whoami(third, "own", cyd)).toBe("You are cyd");
  expect(await whoami(third, "all", ada)).toBe("You are robot");
  const { body } = await third.api("GET", "/api/secrets");
  expect(body).toMatchObject({ secrets: [{ name: "token", current: true }] });
  await third.stop();
});

function newKey(): string {
  return randomBytes(32).toString("base64");
}

/** The ids of the encryption keys of everything that is sealed, in whatever column of whatever table it is. */
async function keyIdsIn({ url }: TestDatabase): Promise<string[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const { rows: tables } = await client.query(
      "SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables WHERE table_schema = 'signalbox' AND table_type = 'BASE TABLE'",
    );
    const ids = new Set<string>();
    for (const { name } of z.array(z.object({ name: z.string() })).parse(tables)) {
      const { rows } = await client.query(`SELECT kept::text AS text FROM ${name} AS kept`);
      for (const { text } of z.array(z.object({ text: z.string() })).parse(rows))
        for (const [, id = ""] of text.matchAll(/\bv1\.([\w-]{10})\.[\w-]{16}\./g)) ids.add(id);
    }
    return [...ids];
  } finally {
    await client.end();
  }
}

const rotation = z.object({
  resealed: z.number(),
  left: z.number(),
  unreadable: z.array(z.string()),
  tables: z.array(z.object({ table: z.string(), resealed: z.number() })),
});

async function rotate(running: TestGateway): Promise<z.infer<typeof rotation>> {
  const child = runNode([inRoot("src/main.ts"), "secrets", "rotate", "--json"], {
    env: { SIGNALBOX_URL: running.url, SIGNALBOX_KEY: running.key },
  });
  await child.closed;
  return rotation.parse(JSON.parse(child.stdout()));
}

async function keyNamed(name: string, gateway: TestGateway): Promise<string> {
  const { body } = await gateway.api("POST", "/api/keys", { name });
  return z.object({ key: z.string() }).parse(body).key;
}

async function linkFor(name: string, gateway: TestGateway, key: string): Promise<string> {
  const answer = await fetch(`${gateway.url}/api/connections/${name}`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}` },
  });
  return z.object({ url: z.string() }).parse(await answer.json()).url;
}

async function consented(
  name: string,
  gateway: TestGateway,
  key: string,
  account: string,
): Promise<void> {
  const page = await consent(new Browser(), await linkFor(name, gateway, key), account);
  expect(page.text).toContain(`Connected to <b>${name}</b>`);
}

/** As far as the authorization server, and no further. */
async function beginConsent(name: string, gateway: TestGateway, key: string): Promise<void> {
  const browser = new Browser();
  const shown = await browser.open(await linkFor(name, gateway, key));
  const start = /class="go" href="([^"]+)"/.exec(shown.text)?.[1] ?? "";
  await browser.open(new URL(start.replaceAll("&#38;", "&"), shown.url).href);
}

async function whoami(gateway: TestGateway, server: string, key: string): Promise<unknown> {
  const client = await connect("client 2.4.0, modern", { url: `${gateway.url}/mcp`, key });
  try {
    return (await client.call(`${server}__whoami`)).content[0]?.text;
  } finally {
    await client.close();
  }
}
