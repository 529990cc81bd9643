import { z } from "@hono/zod-openapi";
import { SignalboxError } from "../foundation/index.ts";
import { nearestName } from "./suggestion.ts";

export interface InputProblem {
  /** Where, as in `headers.Authorization`; empty for the whole. */
  path: string;
  message: string;
  /** The name that was probably meant. */
  suggestion?: string;
}

/** The value as the schema makes it. Throws BODY_INVALID that tells everything that is wrong with it, not only the first. */
export function parseInput<T>(what: "body" | "query", schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue) => problemsOf(issue, schema)).slice(0, 100);
  const lines = problems.map(({ path, message }) =>
    path === "" ? message : `${path}: ${message}`,
  );
  throw new SignalboxError(
    "BODY_INVALID",
    `The ${what} is not valid. ${lines.slice(0, 10).join("; ")}`,
    {
      details: { problems },
    },
  );
}

function problemsOf(issue: z.core.$ZodIssue, schema: z.ZodType): InputProblem[] {
  const path = pathText(issue.path);
  if (issue.code !== "unrecognized_keys") return [{ path, message: issue.message }];
  const known = keysAt(schema, issue.path);
  return issue.keys.map((key) => {
    const suggestion = nearestName(key, known);
    const name = key.length > 64 ? `${key.slice(0, 64)}…` : key;
    const hint = suggestion === undefined ? "" : `; did you mean "${suggestion}"?`;
    return {
      path: pathText([...issue.path, name]),
      message: `"${name}" is not known here${hint}`,
      ...(suggestion !== undefined && { suggestion }),
    };
  });
}

function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let current: unknown = schema;
  for (const step of path) current = inside(bare(current), step);
  const object = bare(current);
  return object instanceof z.ZodObject ? Object.keys(object.shape) : [];
}

function inside(schema: unknown, step: PropertyKey): unknown {
  if (schema instanceof z.ZodObject) {
    const shape: Record<string, unknown> = schema.shape;
    return shape[String(step)];
  }
  if (schema instanceof z.ZodArray) return schema.element;
  if (schema instanceof z.ZodRecord) return schema.valueType;
  return undefined;
}

function bare(schema: unknown): unknown {
  let current = schema;
  while (
    current instanceof z.ZodOptional ||
    current instanceof z.ZodNullable ||
    current instanceof z.ZodDefault
  ) {
    current = current.unwrap();
  }
  return current;
}

function pathText(path: readonly PropertyKey[]): string {
  return path.map(String).join(".").slice(0, 200);
}
