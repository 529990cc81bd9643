// What can be set of a service: under [services.<name>] in signalbox.toml, and by variables of the environment.
import { z } from "zod";

/** A variable of the environment and the setting it stands for. */
export interface EnvSetting {
  /** The variable, `<NAME>` standing for what a person chooses: `GITHUB_PAT`, `POSTGRES_<NAME>_URL`. */
  readonly name: string;
  /** The way to the setting; for a chosen name, what makes the way of it. */
  readonly path: readonly string[] | ((chosen: string) => readonly string[]);
  /** How its text is read; default text. A list has commas. */
  readonly kind?: "text" | "number" | "boolean" | "list";
}

export interface ServiceSettings<Options extends z.ZodObject = z.ZodObject> {
  /**
   * A plain object: durations, counts and the like with defaults, secrets as `secret()`, nothing required, so that a service can be
   * left unconfigured. What comes out of it must be readable by it again.
   */
  readonly options: Options;
  readonly env: readonly EnvSetting[];
  /** What is still needed, each as a person would set it ("NEON_API_KEY"); nothing where the service is configured. */
  missing(options: z.output<Options>): readonly string[];
}

/** Settings of a service; throws TypeError for a variable that is none. */
export function defineSettings<Options extends z.ZodObject>(
  settings: ServiceSettings<Options>,
): ServiceSettings<Options> {
  for (const { name, path } of settings.env) {
    if (!variableName.test(name)) throw new TypeError(`"${name}" is not a variable`);
    if (name.includes(chosenPart) !== (typeof path === "function"))
      throw new TypeError(`The path of "${name}" does not fit its name`);
  }
  return settings;
}

/** Text that is masked wherever it would be shown, and may be given as `${secret:name}`, `${env:NAME}` or `${file:/path}`. */
export function secret(description?: string): z.ZodString {
  return z
    .string()
    .min(1)
    .meta({ secret: true, ...(description !== undefined && { description }) });
}

/** Whether a schema is one of `secret()`. */
export function isSecretSchema(schema: z.ZodType): boolean {
  return schema.meta()?.["secret"] === true;
}

/** The values of a service's secrets, wherever they stand in its options. */
export function secretsIn(schema: z.ZodType, value: unknown): string[] {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault
  ) {
    const inner = schema.unwrap();
    return inner instanceof z.ZodType ? secretsIn(inner, value) : [];
  }
  if (typeof value === "string") return isSecretSchema(schema) ? [value] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, item]) => {
    const inner = innerSchema(schema, name);
    return inner === undefined ? [] : secretsIn(inner, item);
  });
}

function innerSchema(schema: z.ZodType, name: string): z.ZodType | undefined {
  const inner: unknown =
    schema instanceof z.ZodObject
      ? Reflect.get(schema.shape, name)
      : schema instanceof z.ZodRecord
        ? schema.valueType
        : schema instanceof z.ZodArray
          ? schema.element
          : undefined;
  return inner instanceof z.ZodType ? inner : undefined;
}

/** The chosen part of a variable's name, where it is one of this setting's; "" where nothing is to be chosen. */
export function chosenName(setting: EnvSetting, variable: string): string | undefined {
  const [before = "", after] = setting.name.split(chosenPart);
  if (after === undefined) return variable === setting.name ? "" : undefined;
  if (!variable.startsWith(before) || !variable.endsWith(after)) return undefined;
  const chosen = variable.slice(before.length, variable.length - after.length);
  return chosen.length > 0 && variable.length > before.length + after.length ? chosen : undefined;
}

const chosenPart = "<NAME>";
const variableName = /^[A-Z][A-Z0-9_]*(<NAME>[A-Z0-9_]+)?$/;
