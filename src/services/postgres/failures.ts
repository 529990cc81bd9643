// What PostgreSQL's errors mean for whoever called. Its own words reach the caller where they are about the statement; where they
// are about the way to the database they stay in the log, since they name hosts and users.
import { DatabaseError } from "pg";
import { ServiceError, ToolError } from "@signalbox/kit";

/** Whether the same would go well another time: a conflict with others, or a server that goes away. */
export function isPassing(error: unknown): boolean {
  const code = sqlState(error);
  if (code === undefined) return isLost(error);
  return code === "40001" || code === "40P01" || code === "57P01" || code.startsWith("08");
}

/** Whether the database itself said that it did not do it, rather than the connection having ended in between. */
export function isAnswered(error: unknown): boolean {
  const code = sqlState(error);
  return code !== undefined && !code.startsWith("08") && !code.startsWith("57P");
}

/** The failure as the caller is told; what is one already stays as it is. */
export function failureOf(error: unknown, database: string): unknown {
  if (error instanceof ToolError) return error;
  if (!(error instanceof DatabaseError))
    return isLost(error) ? unreachable(database, error) : error;
  const { code = "", message, detail, hint, position } = error;
  const said = [message, detail, hint].filter((text) => text !== undefined).join(". ");
  if (code === "57014")
    return new ServiceError(
      `The database "${database}" ended the statement, which took too long. Ask for less: a narrower WHERE, fewer joins, a LIMIT.`,
      { kind: "timeout", code: "SQL_TIMEOUT", cause: error },
    );
  if (code === "25006")
    return new ToolError(`query only reads: ${said}.`, { code: "SQL_REFUSED", cause: error });
  if (code.startsWith("28") || code === "3D000" || code === "53300" || code.startsWith("08"))
    return unreachable(database, error);
  if (isPassing(error))
    return new ServiceError(`The database "${database}" could not do this now: ${said}.`, {
      kind: "retryable",
      code: "SQL_CONFLICT",
      cause: error,
    });
  const at = position === undefined ? "" : ` (at character ${position})`;
  return new ToolError(`${said}${at}.`, {
    code: "SQL_FAILED",
    details: { sqlState: code },
    cause: error,
  });
}

function unreachable(database: string, cause: unknown): ServiceError {
  return new ServiceError(
    `The database "${database}" cannot be reached, or does not let the gateway in; the gateway's log says why.`,
    { kind: "network", code: "SQL_UNREACHABLE", cause },
  );
}

function sqlState(error: unknown): string | undefined {
  return error instanceof DatabaseError ? (error.code ?? "") : undefined;
}

// What the driver and the socket say when a connection is not made or breaks.
function isLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code: unknown = Reflect.get(error, "code");
  if (typeof code === "string" && /^(E[A-Z]+|CERT_|ERR_TLS|SELF_SIGNED|DEPTH_ZERO)/.test(code))
    return true;
  return /connection terminated|connection ended|timeout (exceeded )?when trying to connect|client has encountered a connection error|server does not support ssl|self[- ]signed/i.test(
    error.message,
  );
}
