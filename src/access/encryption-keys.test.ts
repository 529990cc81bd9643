import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadEncryptionKeys, type KeySources } from "./encryption-keys.ts";

let home = "";
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "keys-"));
});
afterEach(async () => {
  await rm(home, { recursive: true });
});

const load = (given: Partial<KeySources> = {}): ReturnType<typeof loadEncryptionKeys> =>
  loadEncryptionKeys({
    given: undefined,
    previous: [],
    home,
    external: false,
    production: false,
    ...given,
  });

test("with the embedded database a key is made once, in a file that only its owner reads", async () => {
  const first = await load({ production: true });
  expect(first.made).toBe(true);
  expect(first.keys).toHaveLength(1);
  const file = join(home, "encryption.key");
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await readFile(file, "utf8")).trim()).toBe(first.keys[0]?.toString("base64"));
  expect(await load()).toEqual({ keys: first.keys, made: false });
});

test("a given key seals, and the earlier ones and the made one still open", async () => {
  const [made] = (await load()).keys;
  const [given, earlier] = [randomBytes(32), randomBytes(32)];
  const { keys } = await load({
    given: given.toString("hex"),
    previous: [earlier.toString("base64")],
  });
  expect(keys).toEqual([given, earlier, made]);
});

test("with an external database none is made, and production demands one", async () => {
  expect(await load({ external: true })).toEqual({ keys: [], made: false });
  await expect(load({ external: true, production: true })).rejects.toMatchObject({
    code: "ENCRYPTION_KEY_MISSING",
    message: expect.stringContaining("openssl rand -base64 32"),
  });
  const given = randomBytes(32);
  expect(
    (await load({ external: true, production: true, given: given.toString("base64") })).keys,
  ).toEqual([given]);
});

test("a damaged key file is not replaced by a new key", async () => {
  await writeFile(join(home, "encryption.key"), "half a ke");
  await expect(load()).rejects.toMatchObject({ code: "SECRET_WEAK" });
});
