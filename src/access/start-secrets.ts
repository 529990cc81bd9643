// Which secrets are looked at before the gateway starts. A weak one stops the start in every profile, all of them at once, each
// with the command that makes a good one. A value is never shown.
import { SignalboxError } from "../foundation/index.ts";
import { placeholderProblem, weakness } from "./secret-strength.ts";
import { readEncryptionKey } from "./vault.ts";

/** Where the secrets of a start are found. */
export interface StartSecrets {
  readonly adminKey: string | undefined;
  readonly jwtSecret: string | undefined;
  readonly encryptionKey: string | undefined;
  readonly previousEncryptionKeys: readonly string[];
  readonly databaseUrl: string | undefined;
  readonly redisUrl: string | undefined;
  /** Those that were agreed with others, by the names of their settings. */
  readonly agreed: ReadonlyMap<string, string | undefined>;
  /** A variable of the environment, `.env` included. */
  variable(name: string): string | undefined;
}

/** Throws SECRET_WEAK where a secret is a placeholder or too weak, naming every one. */
export function refuseWeakSecrets(secrets: StartSecrets): void {
  const agreed = [...secrets.agreed].map(([name, value]) => agreedCheck(name, value));
  const weak = [...checks, ...agreed].flatMap(({ name, problem, remedy }) => {
    const found = problem(secrets);
    return found === undefined ? [] : [{ name, problem: found, remedy }];
  });
  if (weak.length === 0) return;
  const count = weak.length === 1 ? "A secret is" : `${weak.length} secrets are`;
  const lines = weak.map(({ name, problem, remedy }) => `  ${name} ${problem}; ${remedy}`);
  throw new SignalboxError(
    "SECRET_WEAK",
    `The gateway does not start. ${count} not fit for use:\n${lines.join("\n")}`,
    { details: { secrets: weak } },
  );
}

interface Check {
  readonly name: string;
  /** What is wrong with it; undefined where it is good, or not set. */
  readonly problem: (secrets: StartSecrets) => string | undefined;
  /** How to come by a good one. */
  readonly remedy: string;
}

const ENCRYPTION_KEY_BYTES = 32;
const JWT_SECRET_BYTES_MIN = 32;
const ADMIN_KEY_BYTES_MIN = 16;

const making = (bytes: number): string =>
  `make one with \`openssl rand -base64 ${bytes}\` or \`node -e "console.log(crypto.randomBytes(${bytes}).toString('base64'))"\``;

/** Credentials of others, whose placeholders stand in the manuals this product replaces. */
const foreignCredentials = [
  "GITHUB_PAT",
  "GITHUB_TOKEN",
  "GITHUB_PRIVATE_KEY",
  "CLOUDFLARE_API_TOKEN",
  "N8N_API_KEY",
  "NEON_API_KEY",
  "RAILWAY_TOKEN",
  "CLAUDE_FLOW_KEY",
  "RUV_SWARM_KEY",
  "POSTGRES_KA_PASSWORD",
  "POSTGRES_OL_PASSWORD",
];

const checks: readonly Check[] = [
  {
    name: "SIGNALBOX_ADMIN_KEY (auth.admin_key)",
    problem: ({ adminKey }) =>
      adminKey === undefined ? undefined : weakness(adminKey, ADMIN_KEY_BYTES_MIN),
    remedy: `${making(32)}, or leave it out and one is made`,
  },
  {
    name: "JWT_SECRET (auth.jwt.secret)",
    problem: ({ jwtSecret }) =>
      jwtSecret === undefined ? undefined : weakness(jwtSecret, JWT_SECRET_BYTES_MIN),
    remedy: making(48),
  },
  {
    name: "MCP_ENCRYPTION_KEY (secrets.encryption_key)",
    problem: (secrets) => encryptionKeyProblem(secrets),
    remedy: making(ENCRYPTION_KEY_BYTES),
  },
  {
    name: "MCP_ENCRYPTION_KEY_PREVIOUS (secrets.previous_encryption_keys)",
    problem: ({ previousEncryptionKeys: keys }) =>
      keys.every((key) => readEncryptionKey(key) !== undefined) ? undefined : wrongForm,
    remedy: "give the earlier keys just as they were, with commas between them",
  },
  {
    name: "The password in DATABASE_URL (database.url)",
    problem: ({ databaseUrl }) => passwordProblem(databaseUrl),
    remedy: `${making(24)} and set it with \`ALTER ROLE ... PASSWORD\``,
  },
  {
    name: "The password in REDIS_URL (cache.redis_url)",
    problem: ({ redisUrl }) => passwordProblem(redisUrl),
    remedy: `${making(24)} and set it as \`requirepass\` or with \`ACL SETUSER\``,
  },
  ...foreignCredentials.map((name) => ({
    name,
    problem: (secrets: StartSecrets) => placeholderProblem(secrets.variable(name) ?? ""),
    remedy: "take one from its issuer, or leave the variable out",
  })),
];

// How good they are is for those to say with whom they were agreed.
function agreedCheck(name: string, value = ""): Check {
  return {
    name,
    problem: () => placeholderProblem(value),
    remedy: "take the one that was agreed, or leave the setting out",
  };
}

const wrongForm = "is not 32 bytes in base64 or hex, and not 32 characters";

function encryptionKeyProblem(secrets: StartSecrets): string | undefined {
  const { encryptionKey: text, jwtSecret } = secrets;
  if (text === undefined) return undefined;
  const key = readEncryptionKey(text);
  if (key === undefined) return placeholderProblem(text) ?? wrongForm;
  const same = jwtSecret !== undefined && readEncryptionKey(jwtSecret)?.equals(key) === true;
  if (same) return "is JWT_SECRET too; whoever has one must not have the other";
  return weakness(text, ENCRYPTION_KEY_BYTES);
}

// A short password is the database's own affair, but not one that everybody knows: those are tried first by whoever reaches it.
// On loopback, where it guards nothing that a user of the machine does not have, they are the custom of development.
function passwordProblem(address: string | undefined): string | undefined {
  const url = URL.parse(address ?? "");
  if (url === null || url.password === "") return undefined;
  const password = decoded(url.password);
  const placeholder = placeholderProblem(password);
  if (placeholder !== undefined) return placeholder;
  const known = wellKnown.has(password.toLowerCase()) && !loopback.test(url.hostname);
  return known ? "is one that everybody knows" : undefined;
}

function decoded(password: string): string {
  try {
    return decodeURIComponent(password);
  } catch {
    return password;
  }
}

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\]|)$/i;

const wellKnown: ReadonlySet<string> = new Set(
  "password passwd pass secret admin root postgres redis test user guest signalbox 123456 12345678".split(
    " ",
  ),
);
