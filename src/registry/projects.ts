import { defaultProject, type ProjectOptions } from "../access/index.ts";
import { SignalboxError } from "../foundation/index.ts";
import type { LiveConfiguration } from "./live-configuration.ts";
import { requireProjectName } from "./names.ts";

/** A project as it may be shown. */
export interface ProjectView {
  name: string;
  origin: "config" | "store" | "builtin";
  /** True for what the configuration file or the product defines. */
  readOnly: boolean;
  options: ProjectOptions;
  /** How many servers, bundles and keys that are not revoked belong to it. */
  servers: number;
  bundles: number;
  keys: number;
}

/** The projects there are: the default one, those of the configuration file, and stored ones. */
export class Projects {
  readonly #live: LiveConfiguration;

  constructor(live: LiveConfiguration) {
    this.#live = live;
  }

  list(): ProjectView[] {
    const { fixed, stored } = this.#live;
    const found = new Map<string, [ProjectView["origin"], ProjectOptions]>();
    for (const [name, options] of fixed.projects) found.set(name, ["config", options]);
    for (const [name, options] of stored.projects) {
      if (!found.has(name)) found.set(name, ["store", options]);
    }
    if (!found.has(defaultProject)) found.set(defaultProject, ["builtin", { title: "Default" }]);
    return [...found].map(([name, [origin, options]]) => this.#view(name, origin, options));
  }

  has(name: string): boolean {
    const { fixed, stored } = this.#live;
    return name === defaultProject || fixed.projects.has(name) || stored.projects.has(name);
  }

  /** Throws PROJECT_NOT_FOUND. */
  get(name: string): ProjectView {
    const project = this.list().find((one) => one.name === name);
    if (project === undefined) throw projectNotFound(name);
    return project;
  }

  /** Throws NAME_INVALID, NAME_TAKEN, STORE_UNAVAILABLE. */
  async add(name: string, options: ProjectOptions): Promise<ProjectView> {
    requireProjectName(name);
    await this.#live.change((now) => {
      if (this.has(name)) {
        throw new SignalboxError("NAME_TAKEN", `There is already a project "${name}".`);
      }
      return {
        next: { ...now, projects: new Map(now.projects).set(name, options) },
        persist: (store) => store.projects.put(name, options),
        result: undefined,
      };
    });
    return this.get(name);
  }

  /** Throws PROJECT_NOT_FOUND, CONFLICT for a read-only one. */
  async update(name: string, options: ProjectOptions): Promise<ProjectView> {
    await this.#live.change((now) => {
      requireStored(this.get(name));
      return {
        next: { ...now, projects: new Map(now.projects).set(name, options) },
        persist: (store) => store.projects.put(name, options),
        result: undefined,
      };
    });
    return this.get(name);
  }

  /** Throws PROJECT_NOT_FOUND, CONFLICT for a read-only one and for one to which something still belongs. */
  async remove(name: string): Promise<void> {
    await this.#live.change((now) => {
      const project = this.get(name);
      requireStored(project);
      const { servers, bundles, keys } = project;
      if (servers + bundles + keys > 0) {
        throw new SignalboxError(
          "CONFLICT",
          `The project "${name}" still has ${servers} servers, ${bundles} bundles and ${keys} keys; remove or move them first.`,
          { details: { name, servers, bundles, keys } },
        );
      }
      const projects = new Map(now.projects);
      projects.delete(name);
      return {
        next: { ...now, projects },
        persist: (store) => store.projects.remove(name),
        result: undefined,
      };
    });
  }

  #view(name: string, origin: ProjectView["origin"], options: ProjectOptions): ProjectView {
    const { servers, bundles } = this.#live.merged;
    const has = ({ options: { project = defaultProject } }: Placed): boolean => project === name;
    const keys = this.#live.stored.keys.filter(
      (key) => key.project === name && key.revokedAt === undefined,
    );
    return {
      name,
      origin,
      readOnly: origin !== "store",
      options,
      servers: servers.filter(
        (one) => one.origin !== "builtin" && one.needs === undefined && has(one),
      ).length,
      bundles: bundles.filter(has).length,
      keys: keys.length,
    };
  }
}

interface Placed {
  readonly options: { readonly project?: string | undefined };
}

/** The failure of naming a project that is not there. */
export function projectNotFound(name: string): SignalboxError {
  return new SignalboxError("PROJECT_NOT_FOUND", `There is no project "${name.slice(0, 64)}".`);
}

function requireStored({ name, origin }: ProjectView): void {
  if (origin === "store") return;
  const home =
    origin === "config" ? "is defined in signalbox.toml; change it there" : "is always there";
  throw new SignalboxError("CONFLICT", `The project "${name}" ${home}.`, {
    details: { name, origin },
  });
}
