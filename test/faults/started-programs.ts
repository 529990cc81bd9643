// The programs that a soak had started, by the file in which each notes its start. Linux only: it reads /proc.
import { readdirSync, readFileSync } from "node:fs";

/** One start of a program. */
export interface Started {
  readonly pid: number;
  readonly name: string;
}

/** Reads who was started, and asks the system which of them still live. */
export class StartedPrograms {
  readonly #file: string;
  /** Those of the file's lines that were alive when last asked for. */
  #living: Started[] = [];
  #linesRead = 0;

  /** Every program carries the file's path in its command line or its environment. */
  constructor(file: string) {
    this.#file = file;
  }

  /** How many programs were started so far. */
  get count(): number {
    this.#read();
    return this.#linesRead;
  }

  /** Those alive, stopped ones included. */
  living(): readonly Started[] {
    this.#read();
    this.#living = this.#living.filter(({ pid }) => this.#isAlive(pid));
    return this.#living;
  }

  /** Sends a signal, unless the program has ended meanwhile; whether it was sent. */
  signal({ pid }: Started, signal: NodeJS.Signals): boolean {
    if (!this.#isAlive(pid)) return false;
    try {
      process.kill(pid, signal);
      return true;
    } catch {
      return false;
    }
  }

  #read(): void {
    const lines = readOrNothing(this.#file).split("\n").slice(0, -1);
    for (const line of lines.slice(this.#linesRead)) {
      const [pid, name = ""] = line.split(" ");
      this.#living.push({ pid: Number(pid), name });
    }
    this.#linesRead = lines.length;
  }

  // A number is given to strangers again, so the number alone is no proof; and a zombie has neither line nor environment.
  #isAlive(pid: number): boolean {
    return ["cmdline", "environ"].some((file) =>
      readOrNothing(`/proc/${pid}/${file}`).includes(this.#file),
    );
  }
}

/** How many files and sockets a process has open. */
export function openFilesOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** The direct children of a process, those included that have ended and that it has not noticed. */
export function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`)
    .flatMap((thread) => readOrNothing(`/proc/${pid}/task/${thread}/children`).split(" "))
    .filter((child) => child !== "")
    .map(Number)
    .toSorted((one, other) => one - other);
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
