import type { z } from "zod";
import { roleName } from "../access/index.ts";
import { SignalboxError, projectName } from "../foundation/index.ts";
import { bundleName, serverName } from "../gateway/index.ts";

/** Refuses what cannot be a server's name: it becomes the prefix of public tool names. Throws NAME_INVALID. */
export function requireServerName(name: string): void {
  requireName(serverName, name);
}

/** Refuses what cannot be a bundle's name: it becomes the last part of `/mcp/{bundle}`. Throws NAME_INVALID. */
export function requireBundleName(name: string): void {
  requireName(bundleName, name);
  if (name.includes("__")) throw refused(name, 'a bundle\'s name must not contain "__"');
}

/** Refuses what cannot be a project's name. Throws NAME_INVALID. */
export function requireProjectName(name: string): void {
  requireName(projectName, name);
}

/** Refuses what cannot be the name of an own role. Throws NAME_INVALID. */
export function requireRoleName(name: string): void {
  requireName(roleName, name);
}

function requireName(schema: z.ZodType<string>, name: string): void {
  const result = schema.safeParse(name);
  if (result.success) return;
  throw refused(name, result.error.issues[0]?.message ?? "it cannot be a name");
}

function refused(name: string, why: string): SignalboxError {
  return new SignalboxError("NAME_INVALID", `This name cannot be taken: ${why}.`, {
    details: { name: name.slice(0, 64) },
  });
}
