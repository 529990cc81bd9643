import { SignalboxError, isSignalboxError } from "../foundation/index.ts";

/** One mistake in the configuration. */
export interface Problem {
  /** The file it stands in, as short as the working directory allows. */
  readonly file?: string;
  readonly line?: number;
  /** Where it comes from when not from a file: `PORT (environment)`, `--port`. */
  readonly source?: string;
  /** The setting, such as `limits.call_timeout`; empty when the mistake is no setting's. */
  readonly path: string;
  readonly message: string;
  /** What was probably meant. */
  readonly suggestion?: string;
}

/** CONFIG_INVALID with all problems, one per line, and as data in its details. */
export function configInvalid(problems: readonly Problem[]): SignalboxError {
  const count = problems.length === 1 ? "a mistake" : `${problems.length} mistakes`;
  const lines = problems.map((problem) => `  ${problemText(problem)}`);
  return new SignalboxError(
    "CONFIG_INVALID",
    `The configuration has ${count}:\n${lines.join("\n")}`,
    { details: { problems } },
  );
}

/** The problems of a CONFIG_INVALID, each as a text of one line; none for any other failure. */
export function problemTextsOf(error: unknown): string[] {
  if (!isSignalboxError(error) || error.code !== "CONFIG_INVALID") return [];
  const [, ...lines] = error.message.split("\n");
  return lines.map((line) => line.trim());
}

/** `signalbox.toml:12: limits.call_timout: is not a setting (did you mean call_timeout?)` */
export function problemText(problem: Problem): string {
  const { file, line, source, path, message, suggestion } = problem;
  const place = file === undefined ? source : line === undefined ? file : `${file}:${line}`;
  const sentence = suggestion === undefined ? message : `${message} (did you mean ${suggestion}?)`;
  return [place, path === "" ? undefined : path, sentence]
    .filter((part) => part !== undefined)
    .join(": ");
}
