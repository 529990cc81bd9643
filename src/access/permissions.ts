import type { AccessRequest, Action, Decision, PolicyEngine } from "./policy.ts";
import { everyProject } from "./project.ts";
import type { Scope } from "./scope.ts";

/** A server or bundle as decisions see it. */
export interface Owned {
  readonly name: string;
  readonly project: string;
}

/** What a principal may do, compiled: principals of the same role, project and rules share one of these. */
export class Permissions {
  readonly scopes: ReadonlySet<Scope>;
  readonly project: string;
  /** Whose: a principal made from the roles of an older configuration is made anew. */
  readonly issuer: object;
  readonly #engines: readonly PolicyEngine[];
  /** Whether the rules refuse nothing that can be called or read; the project still counts. */
  readonly allowsEveryUse: boolean;

  constructor(options: {
    scopes: ReadonlySet<Scope>;
    project: string;
    issuer: object;
    engines: readonly PolicyEngine[];
  }) {
    this.scopes = options.scopes;
    this.project = options.project;
    this.issuer = options.issuer;
    this.#engines = options.engines;
    this.allowsEveryUse = this.#engines.every((engine) => engine.allowsEveryUse);
  }

  /** Of the rules alone: which project a server is of is asked before. */
  decide(request: AccessRequest): Decision {
    let allowed = UNSPOKEN;
    for (const engine of this.#engines) {
      const decision = engine.decide(request);
      if (decision?.allowed === false) return decision;
      if (decision !== undefined) allowed = decision;
    }
    return allowed;
  }

  /** Of every project: may also do what concerns them all. */
  get gatewayWide(): boolean {
    return this.project === everyProject;
  }

  /** Whether something is of this principal's project, so that it may be shown and changed. */
  owns(project: string): boolean {
    return this.gatewayWide || project === this.project;
  }

  /** Whether a server or bundle is there for this principal: its project's, or one that is there for all. */
  inProject(project: string): boolean {
    return project === everyProject || this.owns(project);
  }

  /** Whether a server is there for this principal and something of it permits the action. */
  reaches(server: Owned, action: Action): boolean {
    return this.inProject(server.project) && this.decide({ server: server.name, action }).allowed;
  }

  /** Whether there is anything this principal may do with a server. */
  sees(server: Owned): boolean {
    return ACTIONS.some((action) => this.reaches(server, action));
  }
}

const ACTIONS = ["read", "write", "manage"] as const;
const UNSPOKEN: Decision = Object.freeze({ allowed: false, of: "role" });
