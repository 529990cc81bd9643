import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { isSignalboxError } from "../foundation/index.ts";
import { refuseWeakSecrets, type StartSecrets } from "./start-secrets.ts";

const good = (): string => randomBytes(32).toString("base64");

function problems(
  given: Partial<StartSecrets>,
  variables: Readonly<Record<string, string>> = {},
): string[] {
  try {
    refuseWeakSecrets({
      adminKey: undefined,
      jwtSecret: undefined,
      agreed: new Map(),
      encryptionKey: undefined,
      previousEncryptionKeys: [],
      databaseUrl: undefined,
      redisUrl: undefined,
      variable: (name) => variables[name],
      ...given,
    });
    return [];
  } catch (error) {
    if (!isSignalboxError(error) || error.code !== "SECRET_WEAK") throw error;
    return error.message.split("\n").slice(1);
  }
}

test("good secrets, and none at all, let the gateway start", () => {
  expect(problems({})).toEqual([]);
  expect(
    problems(
      {
        adminKey: `sbx_${randomBytes(32).toString("base64url")}`,
        encryptionKey: good(),
        previousEncryptionKeys: [
          randomBytes(32).toString("hex"),
          "your-32-character-encryption-key",
        ],
        databaseUrl: `postgres://u:${randomBytes(12).toString("hex")}@db.internal/d`,
        redisUrl: "redis://cache.internal:6379",
        jwtSecret: randomBytes(48).toString("base64"),
        agreed: new Map([["audit.webhook_secret", "as-it-was-agreed"]]),
      },
      { GITHUB_PAT: "ghp_A1b2C3d4E5f6G7h8" },
    ),
  ).toEqual([]);
});

test("all bad ones are named at once, each with how to come by a good one, and none is shown", () => {
  const given = {
    adminKey: "changeme-changeme-changeme",
    jwtSecret: "minimum_32_character_secret_key_here",
    encryptionKey: "your-32-character-encryption-key",
    databaseUrl: "postgres://user:your_password@db.internal/d",
    redisUrl: "redis://:password@cache.internal",
  };
  const variables = {
    GITHUB_PAT: "ghp_your_personal_access_token",
    N8N_API_KEY: "your_n8n_api_key",
  };
  const agreed = new Map([["auth.oauth.issuers.a.client_secret", "your_client_secret"]]);
  const lines = problems({ ...given, agreed }, variables);
  expect(lines.map((line) => line.trim().split(/ (?:is|has)\b/)[0])).toEqual([
    "SIGNALBOX_ADMIN_KEY (auth.admin_key)",
    "JWT_SECRET (auth.jwt.secret)",
    "MCP_ENCRYPTION_KEY (secrets.encryption_key)",
    "The password in DATABASE_URL (database.url)",
    "The password in REDIS_URL (cache.redis_url)",
    "GITHUB_PAT",
    "N8N_API_KEY",
    "auth.oauth.issuers.a.client_secret",
  ]);
  for (const line of lines.slice(0, 5)) expect(line).toContain("openssl rand -base64");
  for (const value of [
    ...Object.values(given),
    ...Object.values(variables),
    ...agreed.values(),
    "your_password",
  ])
    expect(lines.join("\n")).not.toContain(value);
});

test("a signing secret is long and not made of words", () => {
  const jwt = (jwtSecret: string): string[] => problems({ jwtSecret });
  expect(jwt(randomBytes(16).toString("base64"))[0]).toContain(
    "has 24 bytes and needs at least 32",
  );
  expect(jwt("this-is-the-signing-secret-of-our-gateway")[0]).toContain("is made of words");
});

test("an encryption key has 32 bytes, is no other secret, and its predecessors need only be readable", () => {
  const key = (encryptionKey: string, jwtSecret?: string): string =>
    problems({ encryptionKey, jwtSecret }).join();
  expect(key("too short")).toContain("is not 32 bytes in base64 or hex, and not 32 characters");
  expect(key(Buffer.alloc(32).toString("base64"))).toContain("repeats itself");
  const shared = good();
  expect(key(shared, shared)).toContain("is JWT_SECRET too");
  const hex = Buffer.from(shared, "base64").toString("hex");
  expect(key(hex, shared)).toContain("is JWT_SECRET too");
  expect(problems({ previousEncryptionKeys: ["nonsense"] }).join()).toContain(
    "MCP_ENCRYPTION_KEY_PREVIOUS (secrets.previous_encryption_keys) is not 32 bytes",
  );
});

test("a password that everybody knows is left to loopback, a placeholder to nobody", () => {
  const url = (databaseUrl: string): string[] => problems({ databaseUrl });
  expect(url("postgres://postgres:postgres@127.0.0.1:5432/d")).toEqual([]);
  expect(url("postgres://postgres:postgres@db/d")[0]).toContain("is one that everybody knows");
  expect(url("postgres://u:change%2Dme@127.0.0.1/d")[0]).toContain("is a placeholder");
  expect(url("postgres://u@db/d")).toEqual([]);
});
