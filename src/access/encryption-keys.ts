// Where the encryption keys of a gateway come from. With the embedded database one is made at the first start and kept beside the
// database, whose secrets nobody else opens. An external database may have several gateways, and a copy of it may go anywhere:
// there the key is the operator's to give, to all of them.
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { SignalboxError, writePrivateFile } from "../foundation/index.ts";
import { readEncryptionKey } from "./vault.ts";

/** `[secrets]`: what stored secrets are sealed with. How good a key must be is checked at the start, for all secrets at once. */
export const secretOptions = z.strictObject({
  encryption_key: z
    .string()
    .min(1)
    .optional()
    .describe(
      "32 bytes in base64 or hex, or 32 characters. What is stored from now on is sealed with it.",
    ),
  previous_encryption_keys: z
    .array(z.string().min(1))
    .max(16)
    .default([])
    .describe("Earlier keys, which still open what they sealed."),
});

/** The file in the home in which a made key is kept. */
export const encryptionKeyFile = "encryption.key";

export interface KeySources {
  /** Of the configuration. */
  readonly given: string | undefined;
  readonly previous: readonly string[];
  readonly home: string;
  /** Whether the database is the operator's own. */
  readonly external: boolean;
  readonly production: boolean;
}

/**
 * The keys, the one that seals first; none where none can be had, which is no failure but in production with an external
 * database: there it throws ENCRYPTION_KEY_MISSING. `made` where the key is new.
 */
export async function loadEncryptionKeys(
  sources: KeySources,
): Promise<{ keys: Buffer[]; made: boolean }> {
  const { given, previous, home, external, production } = sources;
  const file = join(home, encryptionKeyFile);
  const kept = await readKept(file);
  const earlier = previous.map((text) => read(text, "MCP_ENCRYPTION_KEY_PREVIOUS"));
  if (given !== undefined)
    return { keys: [read(given, "MCP_ENCRYPTION_KEY"), ...earlier, ...kept], made: false };
  if (external && production) throw missing();
  if (external) return { keys: [], made: false };
  if (kept.length > 0) return { keys: [...kept, ...earlier], made: false };
  const key = randomBytes(KEY_BYTES);
  await writePrivateFile(file, `${key.toString("base64")}\n`);
  return { keys: [key, ...earlier], made: true };
}

const KEY_BYTES = 32;

async function readKept(file: string): Promise<Buffer[]> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    if (error instanceof Error && Reflect.get(error, "code") === "ENOENT") return undefined;
    throw error;
  });
  return text === undefined ? [] : [read(text.trim(), file)];
}

function read(text: string, place: string): Buffer {
  const key = readEncryptionKey(text);
  if (key !== undefined) return key;
  throw new SignalboxError(
    "SECRET_WEAK",
    `The key in ${place} is not 32 bytes in base64 or hex, and not 32 characters. Put the right one back: another one does not open what it sealed.`,
  );
}

function missing(): SignalboxError {
  return new SignalboxError(
    "ENCRYPTION_KEY_MISSING",
    "In production an external database needs an encryption key, the same for every gateway on it: make one with `openssl rand -base64 32`, keep it as safe as a backup, and set it as MCP_ENCRYPTION_KEY.",
  );
}
