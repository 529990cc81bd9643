// What requests change, told to the audit trail: one way for all routes, which only say what they do and to what. A request that
// came as far as its handler is one record, whether it went well or not. What was refused before that is told by whoever refused it.
import {
  isSignalboxError,
  type AuditEvent,
  type AuditOrigin,
  type AuditSink,
} from "../foundation/index.ts";
import type { ApiDeps } from "./ports.ts";
import type { Answer, AuditedThing, Route, RouteAudit, RouteRequest } from "./route.ts";

type Asked = RouteRequest<unknown, unknown>;

/** Has the route handle the request, and tells the audit trail of it where the route says how. */
export async function recorded(route: Route, request: Asked, deps: ApiDeps): Promise<Answer> {
  const { audit: told } = route;
  if (told === undefined || deps.audit === undefined) return await route.handle(request, deps);
  const before = thingOf(told, request, deps);
  let hidden = false;
  const hid: Asked["hid"] = (target, code) => {
    hidden = true;
    request.hid(target, code);
  };
  const about = { told, request, before, audit: deps.audit };
  let answer: Answer;
  try {
    answer = await route.handle({ ...request, hid }, deps);
  } catch (error) {
    const code = isSignalboxError(error) ? error.code : "INTERNAL";
    tell(about, { outcome: hidden || code === "FORBIDDEN" ? "denied" : "failed", code });
    throw error;
  }
  tell(about, { outcome: "ok" }, answer, thingOf(told, request, deps, answer));
  return answer;
}

/** The request that something came of. */
export function originOf({
  address,
  requestId,
}: Pick<Asked, "address" | "requestId">): AuditOrigin {
  return { requestId, ...(address !== undefined && { address }) };
}

// Asked again after the change rather than taken from the answer, which is not always the thing. A change that somebody else makes in
// between has a record of its own.
function thingOf(
  told: RouteAudit<unknown, unknown>,
  request: Asked,
  deps: ApiDeps,
  answer?: Answer,
): AuditedThing | undefined {
  try {
    return told.state?.(request, deps, answer);
  } catch (error) {
    if (isSignalboxError(error)) return undefined;
    throw error;
  }
}

function tell(
  about: {
    told: RouteAudit<unknown, unknown>;
    request: Asked;
    before: AuditedThing | undefined;
    audit: AuditSink;
  },
  ended: Pick<AuditEvent, "outcome" | "code">,
  answer?: Answer,
  after?: AuditedThing,
): void {
  const { told, request, before, audit } = about;
  const { id, name, kind, project } = request.principal;
  const target = told.target?.(request, answer);
  const details = told.details?.(request, answer);
  audit({
    action: told.action.replace(/\.put$/, before === undefined ? ".create" : ".update"),
    actor: { id, name, kind },
    project: before?.project ?? after?.project ?? project,
    ...ended,
    ...(target !== undefined && { target }),
    ...(before?.shown !== undefined && ended.outcome === "ok" && { before: before.shown }),
    ...(after?.shown !== undefined && { after: after.shown }),
    ...(details !== undefined && { details }),
    ...originOf(request),
  });
}
