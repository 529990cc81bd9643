import type { Caller } from "@signalbox/kit";
import type { ServerDetail, ServerFailure, ServerSummary } from "./ports.ts";

const OPERATORS: ReadonlySet<string> = new Set(["admin", "operator"]);

/** What a caller sees of a server: never its process, its addresses or what it wrote to its log. */
export function summaryFor(
  { name, state, transport, era, tools, lastError, needs }: ServerSummary,
  principal: Caller,
): ServerSummary {
  const failure = lastError === undefined ? undefined : failureFor(lastError, principal);
  return { name, state, transport, era, tools, lastError: failure, needs };
}

export function detailFor(server: ServerDetail, principal: Caller): ServerDetail {
  const { revision, since, calls, errors } = server;
  return { ...summaryFor(server, principal), revision, since, calls, errors };
}

function failureFor({ code, message, at }: ServerFailure, { role }: Caller): ServerFailure {
  return OPERATORS.has(role) ? { code, message, at } : { code, at };
}
