// Where the gateway is and with which key to speak to it. The home's admin key is a secret of that home's gateway: it is
// sent to the address that gateway wrote down, never to an address that merely came from a flag or the environment.
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { z } from "zod";
import type { CliIo } from "./cli-io.ts";
import { CliError, exitCodes, usageError } from "./exit-code.ts";

export interface AddressOptions {
  url?: string | undefined;
  keyFile?: string | undefined;
  home?: string | undefined;
}

export interface GatewayAddress {
  /** Without a trailing slash. */
  url: string;
  key: string | undefined;
  /** The home folder it was found through; absent when the address was given. */
  home: string | undefined;
  /** Why there is no key, when there is none. */
  keyHint: string;
}

/** Finds the gateway: --url, SIGNALBOX_URL, then the home's gateway.json; throws CliError (exit 3) when none is known. */
export async function findGateway(io: CliIo, options: AddressOptions): Promise<GatewayAddress> {
  const home = homeFolder(io, options);
  const written = await readGatewayFile(home);
  const given = options.url ?? presence(io.env["SIGNALBOX_URL"]);
  const url = given === undefined ? written?.url : checkedUrl(given);
  if (url === undefined) throw noGateway(home);
  const ownKeyAllowed = written !== undefined && sameOrigin(url, written.url);
  const key = await findKey(io, options, ownKeyAllowed ? home : undefined);
  return {
    url: url.replace(/\/+$/, ""),
    key,
    home: given === undefined ? home : undefined,
    keyHint: ownKeyAllowed
      ? `There is no readable admin.key in ${home}: set SIGNALBOX_KEY or pass --key-file.`
      : "Set SIGNALBOX_KEY or pass --key-file; the key in a home folder is only sent to that home's own gateway.",
  };
}

/** The home folder, absolute: --home, SIGNALBOX_HOME, then .signalbox in the working directory. */
export function homeFolder(io: CliIo, options: AddressOptions): string {
  const cwd = io.cwd ?? process.cwd();
  return resolve(cwd, options.home ?? presence(io.env["SIGNALBOX_HOME"]) ?? ".signalbox");
}

function noGateway(home: string): CliError {
  return new CliError({
    exitCode: exitCodes.unreachable,
    code: "GATEWAY_NOT_RUNNING",
    message: `No gateway is running for ${home}: start it with \`npm start\`.`,
    remedy: "If it runs elsewhere, pass --home or --url, or set SIGNALBOX_HOME or SIGNALBOX_URL.",
  });
}

const gatewayFile = z.looseObject({ url: z.url(), pid: z.number().optional() });

async function readGatewayFile(home: string): Promise<{ url: string } | undefined> {
  try {
    return gatewayFile.parse(JSON.parse(await readFile(resolve(home, "gateway.json"), "utf8")));
  } catch {
    return undefined;
  }
}

function checkedUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw usageError(`"${text}" is not an http or https address.`);
  }
  if (url.username !== "" || url.password !== "") {
    throw usageError("The gateway's address must not carry a user name or password.");
  }
  return text;
}

async function findKey(
  io: CliIo,
  options: AddressOptions,
  home: string | undefined,
): Promise<string | undefined> {
  if (options.keyFile !== undefined) {
    return await readKeyFile(resolve(io.cwd ?? process.cwd(), options.keyFile));
  }
  const fromEnv = presence(io.env["SIGNALBOX_KEY"]) ?? presence(io.env["SIGNALBOX_ADMIN_KEY"]);
  if (fromEnv !== undefined) return fromEnv;
  if (home === undefined) return undefined;
  return await readKeyFile(resolve(home, "admin.key")).catch(() => undefined);
}

async function readKeyFile(file: string): Promise<string> {
  try {
    const key = (await readFile(file, "utf8")).trim();
    if (key !== "" && !/\s/.test(key)) return key;
  } catch (cause) {
    throw keyFileError(`The key file ${file} cannot be read.`, cause);
  }
  throw keyFileError(`The key file ${file} does not hold one key.`, undefined);
}

function keyFileError(message: string, cause: unknown): CliError {
  return new CliError({ exitCode: exitCodes.usage, code: "KEY_FILE", message, cause });
}

function sameOrigin(a: string, b: string): boolean {
  return origin(a) === origin(b);
}

function origin(text: string): string {
  const url = new URL(text);
  const host = ["localhost", "[::1]"].includes(url.hostname) ? "127.0.0.1" : url.hostname;
  return `${url.protocol}//${host}:${url.port}`;
}

function presence(text: string | undefined): string | undefined {
  return text === undefined || text.trim() === "" ? undefined : text.trim();
}
