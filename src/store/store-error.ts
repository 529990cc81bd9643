import { SignalboxError, isSignalboxError, messageOf } from "../foundation/index.ts";

/** Tells a database failure in our words: away or too slow, a value it cannot hold, a name that is taken. */
export function storeError(error: unknown): SignalboxError {
  if (isSignalboxError(error)) return error;
  const cause = rootOf(error);
  const state = sqlStateOf(cause);
  if (state === undefined || isOutage(state)) {
    return new SignalboxError(
      "STORE_UNAVAILABLE",
      `The database ${isRefusal(state) ? "refuses the connection" : "does not answer"}: ${messageOf(cause)}`,
      { cause },
    );
  }
  if (state === "23505") {
    return new SignalboxError("CONFLICT", `This exists already: ${messageOf(cause)}`, { cause });
  }
  if (state.startsWith("22")) {
    return new SignalboxError(
      "BODY_INVALID",
      `The database cannot hold this value: ${messageOf(cause)}`,
      { cause },
    );
  }
  return new SignalboxError(
    "INTERNAL",
    `The database refused a statement (${state}): ${messageOf(cause)}`,
    { cause },
  );
}

function isRefusal(state: string | undefined): boolean {
  return state === "3D000" || state?.startsWith("28") === true;
}

/** Five characters that say what went wrong; undefined where the failure was not the server's answer. */
export function sqlStateOf(error: unknown): string | undefined {
  const code: unknown = Reflect.get(Object(error), "code");
  // Failures of the network carry codes such as ECONNREFUSED, which are longer.
  return typeof code === "string" && /^[0-9A-Z]{5}$/u.test(code) && !code.startsWith("E")
    ? code
    : undefined;
}

/** Drizzle wraps what the driver threw, and its own message repeats the statement with its values. */
function rootOf(error: unknown): unknown {
  const wrapped = error instanceof Error && error.message.startsWith("Failed query");
  return wrapped ? (error.cause ?? error) : error;
}

/**
 * 08: connection; 25006: a standby, as during a failover; 28, 3D000: who we are and which database; 53: out of
 * resources, disk and connections; 57: stopped, cancelled by deadline; 58: the system; XX: damage inside.
 */
function isOutage(state: string): boolean {
  return (
    state === "25006" ||
    state === "3D000" ||
    ["08", "28", "53", "57", "58", "XX"].includes(state.slice(0, 2))
  );
}
