/** Why somebody may do something or may not: the same decisions that views are made of, told one by one. */
import {
  allows,
  mayUseBundle,
  type Decision,
  type Owned,
  type Principal,
  type Rule,
} from "../access/index.ts";
import { MODERN_AUDIENCE, accessItemOf, useOf, type Route, type View } from "./view.ts";

export type AskedAction = "read" | "write" | "call" | "manage";

export interface Question {
  readonly kind: "server" | "tool" | "prompt" | "resource";
  /** The server's name, or the public name or URI of what it offers. */
  readonly name: string;
  readonly action: AskedAction;
  /** At this bundle; without one at the endpoint of everything. */
  readonly bundle?: string | undefined;
}

export interface Explanation {
  readonly allowed: boolean;
  /** In a sentence. */
  readonly reason: string;
  readonly role: string;
  readonly project: string;
  /** The server it is about, where there is one. */
  readonly server?: string;
  /** The rule that decided; absent where it did not come to that, or no rule spoke. */
  readonly rule?: { readonly of: "role" | "key"; readonly place: number; readonly rule: Rule };
}

/** `view` is the endpoint as it is for those who may use all of it; undefined where there is none. */
export async function explain(
  principal: Principal,
  question: Question,
  view: View | undefined,
): Promise<Explanation> {
  const { role, project } = principal;
  const refused = (reason: string): Explanation => ({ allowed: false, reason, role, project });
  const scope = question.action === "manage" ? "manage" : "call";
  if (!allows(principal, scope)) {
    return refused(`The role "${role}" does not include the scope "${scope}".`);
  }
  if (scope === "call" && !mayUseBundle(principal, question.bundle)) {
    return refused(`The key is limited to ${listOf(principal.bundles)}.`);
  }
  if (view === undefined || !principal.permissions.inProject(view.project)) {
    return refused(`There is no bundle "${question.bundle}" in the project "${project}".`);
  }
  const found = await find(question, view);
  if (found === undefined) return refused(`There is no ${question.kind} "${question.name}" here.`);
  const { server, route } = found;
  const told = { role, project, server: server.name };
  if (!principal.permissions.inProject(server.project)) {
    const reason = `The server "${server.name}" is of the project "${server.project}", the key of "${project}".`;
    return { allowed: false, reason, ...told };
  }
  return { ...decided(principal, question, server, route), ...told };
}

async function find(
  { kind, name }: Question,
  view: View,
): Promise<{ server: Owned; route?: Route } | undefined> {
  if (kind === "server") {
    const server = view.owned(name);
    return server === undefined ? undefined : { server };
  }
  const resolution =
    kind === "resource"
      ? await view.resolveUri(name, MODERN_AUDIENCE)
      : await view.resolve(kind === "tool" ? "tools" : "prompts", name, MODERN_AUDIENCE);
  if (!resolution.ok) return undefined;
  const { route } = resolution;
  const server = view.owned(route.server.name);
  return server === undefined ? undefined : { server, route };
}

type Decided = Pick<Explanation, "allowed" | "reason" | "rule">;

function decided(
  { role, permissions }: Principal,
  { action, kind }: Question,
  { name: server }: Owned,
  route: Route | undefined,
): Decided {
  if (action === "manage") return toldOf(permissions.decide({ server, action }), role);
  if (route !== undefined) {
    const use = useOf(server, accessItemOf(route));
    if (action === "call" || action === use.action) return toldOf(permissions.decide(use), role);
    const why = {
      read: "only reads",
      write: "is not marked as one that only reads",
      manage: "changes how a system works",
    }[use.action];
    return { allowed: false, reason: `This ${kind} ${why}: the action is "${use.action}".` };
  }
  if (action !== "call") return toldOf(permissions.decide({ server, action }), role);
  const reading = permissions.decide({ server, action: "read" });
  return toldOf(reading.allowed ? reading : permissions.decide({ server, action: "write" }), role);
}

function toldOf({ allowed, of, place, rule }: Decision, role: string): Decided {
  const whose = of === "role" ? `the role "${role}"` : "the key";
  if (place === undefined || rule === undefined) {
    return { allowed, reason: `No rule of ${whose} allows it.` };
  }
  const verb = allowed ? "allows" : "denies";
  return { allowed, reason: `Rule ${place} of ${whose} ${verb} it.`, rule: { of, place, rule } };
}

function listOf(bundles: readonly string[] | "all"): string {
  if (bundles === "all" || bundles.length === 0) return "no bundle";
  return bundles.map((name) => `/mcp/${name}`).join(", ");
}
