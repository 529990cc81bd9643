import { z } from "zod";
import { configSchema } from "./schema.ts";
import type { SettingPath } from "./setting-path.ts";

/** The schema of the setting at this path, without its default; undefined where there is none. */
export function schemaAt(path: readonly PropertyKey[]): z.ZodType | undefined {
  let node: z.ZodType | undefined = configSchema;
  for (const segment of path) {
    node = node === undefined ? undefined : childOf(node, segment);
  }
  return node;
}

/** The names a table at this path may hold; none where any name may stand. */
export function namesAt(path: readonly PropertyKey[]): string[] {
  const node = schemaAt(path);
  return node instanceof z.ZodObject ? Object.keys(node.shape) : [];
}

/** The paths of all settings of this name, other than in tables that users name. */
export function settingsNamed(name: string): SettingPath[] {
  const found: SettingPath[] = [];
  for (const section of namesAt([])) {
    if (section === name) found.push([section]);
    if (namesAt([section]).includes(name)) found.push([section, name]);
  }
  return found;
}

function childOf(node: z.ZodType, segment: PropertyKey): z.ZodType | undefined {
  if (node instanceof z.ZodObject) return bare(Reflect.get(node.shape, segment));
  if (node instanceof z.ZodRecord) return bare(node.valueType);
  if (node instanceof z.ZodArray) return bare(node.element);
  return undefined;
}

function bare(node: unknown): z.ZodType | undefined {
  if (
    node instanceof z.ZodDefault ||
    node instanceof z.ZodPrefault ||
    node instanceof z.ZodOptional
  ) {
    return bare(node.unwrap());
  }
  return node instanceof z.ZodType ? node : undefined;
}
