/**
 * The built-in policy: a list of rules. A rule that denies wins over every rule that allows, wherever either stands.
 *
 * The rules of a role grant: what none of them allows is refused. The rules of a key narrow: they refuse, or have no
 * opinion, so they never give what the role does not. A key with rules that allow is limited to what these allow; one
 * with rules that only deny keeps the rest of its role.
 */
import {
  climbs,
  couldMatchServer,
  matchesAny,
  spellings,
  toPattern,
  type NamePattern,
} from "./name-pattern.ts";
import type { AccessItem, AccessRequest, Action, Decision, PolicyEngine } from "./policy.ts";
import type { Rule } from "./rule.ts";

export class RuleEngine implements PolicyEngine {
  readonly allowsEveryUse: boolean;
  readonly #grants: boolean;
  readonly #denials: readonly CompiledRule[];
  readonly #permissions: readonly CompiledRule[];

  constructor(rules: readonly Rule[], of: "role" | "key") {
    const compiled = rules.map((rule, index) => compile(rule, of, index + 1));
    this.#grants = of === "role";
    this.#denials = compiled.filter(({ rule }) => rule.effect === "deny");
    this.#permissions = compiled.filter(({ rule }) => rule.effect === "allow");
    const open = this.#permissions.some(isOpen);
    this.allowsEveryUse =
      this.#denials.length === 0 && (open || (!this.#grants && this.#permissions.length === 0));
  }

  decide(request: AccessRequest): Decision | undefined {
    const denial = this.#denials.find((rule) => speaksOf(rule, request));
    if (denial !== undefined) return denial.decision;
    const permission = this.#permissions.find((rule) => speaksOf(rule, request));
    if (this.#grants) return permission?.decision ?? NOT_GRANTED;
    return permission === undefined && this.#permissions.length > 0 ? NOT_LEFT : undefined;
  }
}

/** What no rule allows. */
const NOT_GRANTED: Decision = Object.freeze({ allowed: false, of: "role" });
const NOT_LEFT: Decision = Object.freeze({ allowed: false, of: "key" });

interface CompiledRule {
  readonly rule: Rule;
  readonly decision: Decision;
  readonly servers: readonly NamePattern[] | undefined;
  readonly actions: ReadonlySet<Action>;
  /** Undefined where the rule speaks of every kind. */
  readonly names: Readonly<Record<AccessItem["kind"], readonly NamePattern[]>> | undefined;
}

function compile(rule: Rule, of: "role" | "key", place: number): CompiledRule {
  const { tools, prompts, resources } = rule;
  const named = tools !== undefined || prompts !== undefined || resources !== undefined;
  return {
    rule,
    decision: Object.freeze({ allowed: rule.effect === "allow", of, place, rule }),
    servers: rule.servers?.map(toPattern),
    actions: actionsOf(rule),
    names: named
      ? {
          tool: (tools ?? []).map(toPattern),
          prompt: (prompts ?? []).map(toPattern),
          resource: (resources ?? []).map(toPattern),
        }
      : undefined,
  };
}

function actionsOf({ actions }: Rule): ReadonlySet<Action> {
  if (actions === undefined) return new Set<Action>(["read", "write", "manage"]);
  return new Set(
    actions.flatMap((action): Action[] => (action === "call" ? ["read", "write"] : [action])),
  );
}

// Whether a rule that allows leaves nothing out that can be used.
function isOpen(compiled: CompiledRule): boolean {
  const { rule, servers, actions, names } = compiled;
  if (rule.read_only !== undefined || rule.destructive !== undefined) return false;
  if (names !== undefined || !actions.has("read") || !actions.has("write")) return false;
  return servers === undefined || servers.some(({ text }) => text === "*");
}

function speaksOf(compiled: CompiledRule, request: AccessRequest): boolean {
  const { actions, servers } = compiled;
  if (!actions.has(request.action)) return false;
  if (servers !== undefined && !matchesAny(servers, request.server)) return false;
  return request.item === undefined
    ? speaksOfServer(compiled, request)
    : speaksOfItem(compiled, request.server, request.item);
}

// Of a server as a whole: what speaks of some of its things alone neither denies all of it nor lets it be configured, but
// it allows something.
function speaksOfServer({ rule, names }: CompiledRule, { action, server }: AccessRequest): boolean {
  const whole =
    names === undefined && rule.read_only === undefined && rule.destructive === undefined;
  if (whole) return true;
  if (action === "manage" || rule.effect === "deny") return false;
  const reads = action === "read";
  if (
    names !== undefined &&
    !Object.values(names)
      .flat()
      .some((one) => mayBeOf(one, server))
  )
    return false;
  return (rule.read_only ?? reads) === reads && !(reads && rule.destructive === true);
}

function mayBeOf(pattern: NamePattern, server: string): boolean {
  return !isPublic(pattern) || isUri(pattern) || couldMatchServer(pattern, server);
}

// What has the separator is over public names, whatever a server calls its own: else a server could name a tool after
// another server's and be let in by a rule that was meant for that one.
function isPublic({ text }: NamePattern): boolean {
  return text.includes("__");
}

function isUri({ text }: NamePattern): boolean {
  return /^[a-z][a-z0-9+.-]*:/i.test(text);
}

function speaksOfItem({ rule, names }: CompiledRule, server: string, item: AccessItem): boolean {
  if (rule.read_only !== undefined && rule.read_only !== item.readOnly) return false;
  if (rule.destructive !== undefined && rule.destructive !== item.destructive) return false;
  if (names === undefined) return true;
  const patterns = names[item.kind];
  if (item.kind === "resource") return speaksOfUri(rule, patterns, server, item.original);
  return patterns.some((pattern) =>
    isPublic(pattern)
      ? item.publicNames.some((name) => matchesAny([pattern], name))
      : matchesAny([pattern], item.original),
  );
}

// As a bundle's selection does: what is allowed is looked at as it is written, what is denied in all its spellings.
function speaksOfUri(
  { effect }: Rule,
  patterns: readonly NamePattern[],
  server: string,
  uri: string,
): boolean {
  if (effect === "allow" && climbs(uri)) return false;
  const written = effect === "deny" ? spellings(uri) : [uri];
  return written.some(
    (one) => matchesAny(patterns, one) || matchesAny(patterns, `${server}__${one}`),
  );
}
