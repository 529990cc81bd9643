import { builtinRoles, type RoleOptions } from "../access/index.ts";
import { SignalboxError } from "../foundation/index.ts";
import type { StoredState } from "./configured-state.ts";
import type { LiveConfiguration, Step } from "./live-configuration.ts";
import { requireRoleName } from "./names.ts";

/** A role as it may be shown. */
export interface RoleView {
  name: string;
  origin: "config" | "store" | "builtin";
  /** True for what the configuration file or the product defines. */
  readOnly: boolean;
  options: RoleOptions;
}

/** The roles there are: the built-in ones, those of the configuration file, and stored ones. */
export class RoleBook {
  readonly #live: LiveConfiguration;

  constructor(live: LiveConfiguration) {
    this.#live = live;
  }

  list(): RoleView[] {
    const { fixed, stored } = this.#live;
    const found = new Map<string, RoleView>();
    const add = (name: string, origin: RoleView["origin"], options: RoleOptions): void => {
      if (!found.has(name))
        found.set(name, { name, origin, readOnly: origin !== "store", options });
    };
    for (const [name, { scopes, rules }] of Object.entries(builtinRoles)) {
      add(name, "builtin", { scopes: [...scopes], rules: [...rules] });
    }
    for (const [name, options] of fixed.roles) add(name, "config", options);
    for (const [name, options] of stored.roles) add(name, "store", options);
    return [...found.values()];
  }

  /** Throws ROLE_NOT_FOUND. */
  get(name: string): RoleView {
    const role = this.list().find((one) => one.name === name);
    if (role === undefined) throw roleNotFound(name);
    return role;
  }

  /** Throws NAME_INVALID, NAME_TAKEN, STORE_UNAVAILABLE. */
  async add(name: string, options: RoleOptions): Promise<RoleView> {
    requireRoleName(name);
    await this.#live.change((now) => {
      if (this.list().some((one) => one.name === name)) {
        throw new SignalboxError("NAME_TAKEN", `There is already a role "${name}".`);
      }
      return this.#put(now, name, options);
    });
    return this.get(name);
  }

  /** Replaces what a role permits, for everyone who holds it. Throws ROLE_NOT_FOUND, CONFLICT for a read-only one. */
  async update(name: string, options: RoleOptions): Promise<RoleView> {
    await this.#live.change((now) => {
      requireStored(this.get(name));
      return this.#put(now, name, options);
    });
    return this.get(name);
  }

  /** Throws ROLE_NOT_FOUND, CONFLICT for a read-only one and for one that a key still has. */
  async remove(name: string): Promise<void> {
    await this.#live.change((now) => {
      requireStored(this.get(name));
      const holders = now.keys.filter((key) => key.role === name && key.revokedAt === undefined);
      if (holders.length > 0) {
        throw new SignalboxError(
          "CONFLICT",
          `${holders.length} keys still have the role "${name}"; revoke them first.`,
          { details: { name, keys: holders.length } },
        );
      }
      const roles = new Map(now.roles);
      roles.delete(name);
      return {
        next: { ...now, roles },
        persist: (store) => store.roles.remove(name),
        result: undefined,
      };
    });
  }

  #put(now: StoredState, name: string, options: RoleOptions): Step<undefined> {
    return {
      next: { ...now, roles: new Map(now.roles).set(name, options) },
      persist: (store) => store.roles.put(name, options),
      result: undefined,
    };
  }
}

/** The failure of naming a role that is not there. */
export function roleNotFound(name: string): SignalboxError {
  return new SignalboxError("ROLE_NOT_FOUND", `There is no role "${name.slice(0, 64)}".`);
}

function requireStored({ name, origin }: RoleView): void {
  if (origin === "store") return;
  const home =
    origin === "config"
      ? "is defined in signalbox.toml; change it there"
      : "is part of the gateway";
  throw new SignalboxError("CONFLICT", `The role "${name}" ${home}.`, {
    details: { name, origin },
  });
}
