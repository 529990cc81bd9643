// Lines go to standard output through a buffer that is written without blocking and emptied at exit.
// When the reader of standard output stalls, lines beyond the buffer's bound are dropped, not waited for.
import { pino } from "pino";
import type { Logger } from "pino";
import { isColorSupported, prettyFactory } from "pino-pretty";
import { z } from "zod";
import { LineWriter } from "./line-writer.ts";
import { redactFields, redactText } from "./redact.ts";

export type LogLevel = "error" | "warn" | "info" | "debug";
export type LogFields = Record<string, unknown>;

/** Where the program says what happens. Secrets in fields and messages are masked. */
export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** A log whose lines all carry these fields; `area` names the part that `DEBUG=mcp:<area>` turns on. */
  child(fields: LogFields): Log;
  /** False when a line of this level would not be written, to spare the making of it. */
  enabled(level: LogLevel): boolean;
}

/** What a user may set under [log]. */
export const logOptions = z.strictObject({
  level: z.enum(["error", "warn", "info", "debug"]).default("info"),
  format: z.enum(["json", "pretty"]).default("json"),
});

export interface LogDestination {
  write(line: string): void;
}

/**
 * A log of one JSON object per line: level, timestamp (ISO, ms), service, the fields, message.
 * `debug` is the variable DEBUG: areas to log at debug level whatever `level` is, such as `mcp:*` or `mcp:upstream`.
 */
export function createLog(options: {
  level: LogLevel;
  format: "json" | "pretty";
  debug?: string | undefined;
  destination?: LogDestination;
}): Log {
  const raw = options.destination ?? standardOutput();
  const pretty = options.format === "pretty";
  const destination = pretty ? prettyDestination(raw, options.destination === undefined) : raw;
  const root = pino(
    {
      level: "debug",
      base: { service: "mcp-gateway" },
      messageKey: "message",
      timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
      serializers: { err: (error: unknown) => error }, // errors are copied with their secrets masked beforehand
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  const areas = debugAreas(options.debug);
  return new PinoLog({ root, areas, pretty, baseLevel: options.level, bindings: {} });
}

/** A log that keeps quiet. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
  enabled: () => false,
};

const BUFFER_CHARS_MAX = 8 * 1024 * 1024;
const EXIT_WITHIN_MS = 1000;

function standardOutput(): LogDestination {
  // Opening the stream is what makes Node set a pipe to not block.
  const { fd } = process.stdout;
  const writer = new LineWriter({ fd, bufferCharsMax: BUFFER_CHARS_MAX, droppedLine });
  process.on("exit", () => writer.flushSync(EXIT_WITHIN_MS));
  return writer;
}

function droppedLine(count: number): string {
  const message = `${count} lines were dropped, because standard output is not read fast enough`;
  const timestamp = new Date().toISOString();
  return `${JSON.stringify({ level: "warn", timestamp, service: "mcp-gateway", dropped: count, message })}\n`;
}

function prettyDestination(raw: LogDestination, terminal: boolean): LogDestination {
  const format = prettyFactory({
    colorize: terminal && process.stdout.isTTY && isColorSupported,
    messageKey: "message",
    timestampKey: "timestamp",
    translateTime: "SYS:HH:MM:ss.l",
    ignore: "service",
    singleLine: true,
    errorLikeObjectKeys: ["err", "error", "cause"],
  });
  return {
    write(line) {
      raw.write(format(line));
    },
  };
}

interface Setting {
  readonly root: Logger;
  readonly areas: (area: string) => boolean;
  readonly pretty: boolean;
  readonly baseLevel: LogLevel;
  readonly bindings: LogFields;
}

const severity: Record<LogLevel, number> = { debug: 20, info: 30, warn: 40, error: 50 };

class PinoLog implements Log {
  readonly #setting: Setting;
  readonly #target: Logger;
  readonly #threshold: number;

  constructor(setting: Setting) {
    this.#setting = setting;
    this.#target = setting.root.child(setting.bindings);
    const area = setting.bindings["area"];
    const debug = setting.areas(typeof area === "string" ? area : "main");
    this.#threshold = debug ? severity.debug : severity[setting.baseLevel];
  }

  debug(fields: LogFields, message: string): void {
    this.#write("debug", fields, message);
  }

  info(fields: LogFields, message: string): void {
    this.#write("info", fields, message);
  }

  warn(fields: LogFields, message: string): void {
    this.#write("warn", fields, message);
  }

  error(fields: LogFields, message: string): void {
    this.#write("error", fields, message);
  }

  child(fields: LogFields): Log {
    const bindings = { ...this.#setting.bindings, ...fit(fields) };
    return new PinoLog({ ...this.#setting, bindings });
  }

  enabled(level: LogLevel): boolean {
    return severity[level] >= this.#threshold;
  }

  #write(level: LogLevel, fields: LogFields, message: string): void {
    if (severity[level] < this.#threshold) return;
    const text = redactText(message);
    const line = fit(fields);
    // The bound fields are serialised already; a name that stands in both would appear twice in the line.
    const { bindings, root, pretty } = this.#setting;
    const again = Object.keys(line).some((key) => Object.hasOwn(bindings, key));
    const target = again ? root : this.#target;
    target[level](again ? { ...bindings, ...line } : line, pretty ? oneLine(text) : text);
  }
}

// The line's own keys are not for callers to overwrite: a second `level` in a line is a forged one.
const ownKeys: ReadonlySet<string> = new Set(["level", "timestamp", "service", "message"]);

function fit(fields: LogFields): LogFields {
  const clean = redactFields(fields);
  for (const key of Object.keys(clean)) {
    if (!ownKeys.has(key)) continue;
    clean[`field_${key}`] = clean[key];
    delete clean[key];
  }
  return clean;
}

// JSON escapes line ends and terminal commands by itself; the pretty form prints the message as it is.
function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) =>
    JSON.stringify(character).slice(1, -1),
  );
}

/** Reads DEBUG: names by comma or blank, `*` for anything, a leading `-` takes away. */
function debugAreas(variable: string | undefined): (area: string) => boolean {
  const words = (variable ?? "").split(/[\s,]+/).filter((word) => word !== "");
  const wanted = words.filter((word) => !word.startsWith("-")).map(pattern);
  const unwanted = words
    .filter((word) => word.startsWith("-"))
    .map((word) => pattern(word.slice(1)));
  return (area) => {
    const name = `mcp:${area}`;
    return wanted.some((p) => p.test(name)) && !unwanted.some((p) => p.test(name));
  };
}

function pattern(word: string): RegExp {
  const escaped = word.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll("*", ".*");
  return new RegExp(`^${escaped}$`);
}
