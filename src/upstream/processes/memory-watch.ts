// Where no cgroup holds the memory of a process, somebody has to look. Limits of the kernel on one process
// (ulimit) do not do: they count address space, of which Node and Go reserve gigabytes that they never
// use, and each process for itself, so that npx and the node it starts would have a limit each.
import { familyBytes, ownBytesOfProcess } from "./process-facts.ts";
import { familyOf, readProcessTable } from "./process-table.ts";

/**
 * Looks at the memory of processes every `everyMs`, while there are any. Who belongs to whom stands in the table of all
 * processes, which takes milliseconds to read: it is read for every fourth look, and before a process is given away.
 */
export class MemoryWatch {
  readonly #everyMs: number;
  readonly #watched = new Map<number, Watched>();
  #timer: NodeJS.Timeout | undefined;
  #looks = 0;

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** Calls `over` once when `pid` and all it started use more than `bytesMax`. */
  watch(pid: number, bytesMax: number, over: (bytes: number) => void): void {
    this.#watched.set(pid, { bytesMax, over, family: [pid] });
    this.#timer ??= setInterval(this.#look, this.#everyMs).unref();
  }

  forget(pid: number): void {
    this.#watched.delete(pid);
    if (this.#watched.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  readonly #look = (): void => {
    this.#looks += 1;
    if (this.#looks % looksPerTable === 0) this.#meetFamilies();
    for (const [pid, watched] of this.#watched) {
      const bytes = watched.family.reduce((sum, member) => sum + ownBytesOfProcess(member), 0);
      if (bytes > watched.bytesMax) this.#lookAgain(pid, watched);
    }
  };

  #meetFamilies(): void {
    const table = readProcessTable();
    if (table === undefined) return;
    for (const [pid, watched] of this.#watched)
      watched.family = familyOf(pid, table).map((row) => row.pid);
  }

  /** A member may be gone, and its number a stranger's by now. */
  #lookAgain(pid: number, { bytesMax, over }: Watched): void {
    const table = readProcessTable();
    const bytes = table === undefined ? 0 : familyBytes(pid, table);
    if (bytes <= bytesMax) return;
    this.forget(pid);
    over(bytes);
  }
}

interface Watched {
  readonly bytesMax: number;
  readonly over: (bytes: number) => void;
  /** Its process id and those of all it started, as last seen. */
  family: readonly number[];
}

const everyMs = 500;
const looksPerTable = 4;

/** The one watch of this process. */
export const memoryWatch: MemoryWatch = new MemoryWatch(everyMs);
