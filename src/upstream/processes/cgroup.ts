// A control group for one process and all it starts: the kernel itself holds the limit, at once and for all
// of them together. Only below a folder that the operator gave to the gateway (systemd: `Delegate=yes`):
// the tree of control groups belongs to whoever manages the machine, and being root is no invitation.
// With cgroup v2 the gateway itself must stand beside or above that folder, not in it.
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Tests stand in for the kernel, which fills the folder with its files. */
export type MakeFolder = (path: string) => void;

/** One control group; made for one process, removed after it. */
export class Cgroup {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Makes `folder/name` with a limit on memory; throws what the file system says, or that it is no control group. */
  static create(
    folder: string,
    name: string,
    memoryBytesMax: number,
    make: MakeFolder = mkdirSync,
  ): Cgroup {
    const path = join(folder, name);
    allowMemory(folder);
    make(path);
    try {
      limitMemory(path, memoryBytesMax);
    } catch (error) {
      rmdirSync(path);
      throw error;
    }
    return new Cgroup(path);
  }

  /** Whoever writes its process id here is in the group. */
  get membersFile(): string {
    return join(this.#path, "cgroup.procs");
  }

  /** Whether the kernel killed one of the group for its memory. */
  get ranOut(): boolean {
    for (const name of ["memory.events", "memory.oom_control"]) {
      const file = join(this.#path, name);
      if (existsSync(file)) return /^oom_kill [1-9]/m.test(readFileSync(file, "latin1"));
    }
    return false;
  }

  /** Kills whoever is left in it (v2), and removes it; an empty group that cannot be removed costs nothing. */
  async remove(): Promise<void> {
    const kill = join(this.#path, "cgroup.kill");
    if (existsSync(kill)) writeFileSync(kill, "1");
    for (let tries = 0; tries < removeTriesMax; tries += 1) {
      try {
        rmdirSync(this.#path);
        return;
      } catch {
        await sleep(removeEveryMs);
      }
    }
  }
}

const removeTriesMax = 50;
const removeEveryMs = 20;

function allowMemory(folder: string): void {
  try {
    const file = join(folder, "cgroup.subtree_control");
    if (existsSync(file)) writeFileSync(file, "+memory");
  } catch {
    // Not ours to say, or said already: the limit itself will tell.
  }
}

function limitMemory(path: string, bytesMax: number): void {
  const modern = join(path, "memory.max");
  const legacy = join(path, "memory.limit_in_bytes");
  if (existsSync(modern)) {
    writeFileSync(modern, String(bytesMax));
    writeWhereKnown(join(path, "memory.swap.max"), "0");
    // All of them or none: half a server is of no use.
    writeWhereKnown(join(path, "memory.oom.group"), "1");
  } else if (existsSync(legacy)) {
    writeFileSync(legacy, String(bytesMax));
    writeWhereKnown(join(path, "memory.memsw.limit_in_bytes"), String(bytesMax));
  } else {
    throw new Error(`${path} has no control over memory`);
  }
}

function writeWhereKnown(file: string, text: string): void {
  if (existsSync(file)) writeFileSync(file, text);
}
