// What a script can rely on. The numbers are documented in docs/cli.md and never change their meaning.
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  unauthorised: 4,
  notFound: 5,
  refused: 6,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export interface CliFailure {
  exitCode: ExitCode;
  code: string;
  message: string;
  details?: unknown;
  requestId?: string;
  remedy?: string;
  cause?: unknown;
}

/** A failure the command line can explain: a code, a sentence, and the exit code it ends with. */
export class CliError extends Error {
  readonly exitCode: ExitCode;
  readonly code: string;
  readonly details: unknown;
  readonly requestId: string | undefined;
  readonly remedy: string | undefined;

  constructor(failure: CliFailure) {
    super(failure.message, { cause: failure.cause });
    this.name = "CliError";
    this.exitCode = failure.exitCode;
    this.code = failure.code;
    this.details = failure.details;
    this.requestId = failure.requestId;
    this.remedy = failure.remedy;
  }
}

/** The command was written wrongly: exit code 2. */
export function usageError(message: string, remedy?: string): CliError {
  return new CliError({
    exitCode: exitCodes.usage,
    code: "USAGE",
    message,
    ...(remedy === undefined ? {} : { remedy }),
  });
}

/** The user (or a signal) ended the command: exit code 130. */
export function interruptedError(): CliError {
  return new CliError({
    exitCode: exitCodes.interrupted,
    code: "INTERRUPTED",
    message: "Interrupted.",
  });
}

/** Which exit code an error answer of the HTTP API ends with. */
export function exitCodeOfStatus(status: number): ExitCode {
  if (status === 401 || status === 403) return exitCodes.unauthorised;
  if (status === 404) return exitCodes.notFound;
  if (status === 400) return exitCodes.usage;
  if (status >= 400 && status < 500) return exitCodes.refused;
  return exitCodes.failed;
}
