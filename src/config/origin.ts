import type { SettingPath } from "./setting-path.ts";

/** Where a value comes from. */
export interface Origin {
  readonly kind: "cli" | "env" | "file" | "profile";
  /** As shown behind a value: `cli`, `env:PORT`, `file:signalbox.toml:3`, `profile:test`. */
  readonly text: string;
  /** The part of a problem that says where. */
  readonly place: { readonly file?: string; readonly line?: number; readonly source?: string };
}

/** One value for one setting, from one place. */
export interface Assignment {
  readonly path: SettingPath;
  readonly value: unknown;
  readonly origin: Origin;
}

export function fromCommandLine(flag: string): Origin {
  return { kind: "cli", text: "cli", place: { source: flag } };
}

/** `file` is `.env` for a variable that only stands there. */
export function fromEnvironment(name: string, file: string | undefined): Origin {
  const text = file === undefined ? `env:${name}` : `env:${name} in ${file}`;
  return { kind: "env", text, place: { source: `${name} (${file ?? "environment"})` } };
}

export function fromFile(file: string, line: number | undefined): Origin {
  return line === undefined
    ? { kind: "file", text: `file:${file}`, place: { file } }
    : { kind: "file", text: `file:${file}:${line}`, place: { file, line } };
}

export function fromProfile(name: string): Origin {
  return { kind: "profile", text: `profile:${name}`, place: { source: `profile ${name}` } };
}
