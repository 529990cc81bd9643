import type { SettingPath } from "./setting-path.ts";

/** Where a value comes from. */
export type Origin =
  | { readonly kind: "cli"; readonly flag: string }
  | { readonly kind: "env"; readonly name: string; readonly file?: string }
  | { readonly kind: "file"; readonly file: string; readonly line: number | undefined }
  | { readonly kind: "profile"; readonly name: string };

/** One value for one setting, from one place. */
export interface Assignment {
  readonly path: SettingPath;
  readonly value: unknown;
  readonly origin: Origin;
}

/** As shown behind a value: `cli`, `env:PORT`, `file:signalbox.toml:3`, `profile:test`. */
export function originText(origin: Origin | undefined): string {
  if (origin === undefined) return "default";
  switch (origin.kind) {
    case "cli":
      return "cli";
    case "env":
      return `env:${origin.name}${origin.file === undefined ? "" : ` in ${origin.file}`}`;
    case "file":
      return `file:${origin.file}${origin.line === undefined ? "" : `:${origin.line}`}`;
    case "profile":
      return `profile:${origin.name}`;
  }
}

/** The part of a problem that says where. */
export function problemPlace(origin: Origin | undefined): {
  file?: string;
  line?: number;
  source?: string;
} {
  if (origin === undefined) return {};
  switch (origin.kind) {
    case "cli":
      return { source: origin.flag };
    case "env":
      return { source: `${origin.name} (${origin.file ?? "environment"})` };
    case "file":
      return { file: origin.file, ...(origin.line === undefined ? {} : { line: origin.line }) };
    case "profile":
      return { source: `profile ${origin.name}` };
  }
}
