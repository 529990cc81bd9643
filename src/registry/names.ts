import { SignalboxError } from "../foundation/index.ts";

/** Refuses what cannot be a server's name: it becomes the prefix of public tool names. Throws NAME_INVALID. */
export function requireServerName(name: string): void {
  requireShape("server", name);
}

/** Refuses what cannot be a bundle's name: it becomes the last part of `/mcp/{bundle}`. Throws NAME_INVALID. */
export function requireBundleName(name: string): void {
  requireShape("bundle", name);
  if (reservedPaths.has(name)) {
    throw new SignalboxError(
      "NAME_INVALID",
      `A bundle cannot be named "${name}": /mcp/${name} has a meaning of its own.`,
    );
  }
}

function requireShape(kind: string, name: string): void {
  if (nameShape.test(name) && !name.includes("__")) return;
  throw new SignalboxError(
    "NAME_INVALID",
    `A ${kind}'s name has 1 to 32 of the characters a-z, 0-9, "-" and "_", starts with a letter or digit, and has no "__".`,
    { details: { name: name.slice(0, 64) } },
  );
}

const nameShape = /^[a-z0-9][a-z0-9_-]{0,31}$/;
const reservedPaths = new Set(["catalog", "execute", "rpc", "server-card", "service"]);
