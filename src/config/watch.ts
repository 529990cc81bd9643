// Editors replace a file, Kubernetes swaps a link above it, and some file systems tell nothing at all. So the folder is
// watched for promptness, and the file is looked at once a second for certainty.
import { statSync, watch } from "node:fs";
import { basename, dirname } from "node:path";
import { messageOf } from "../foundation/index.ts";

const SETTLE_MS = 100;
const LOOK_MS = 1000;

/**
 * Calls `onChange` after the file has changed, appeared or gone, once it has been quiet for 100 ms, until the signal aborts.
 * Does not keep the process alive.
 */
export function watchConfigFile(
  path: string,
  onChange: () => void,
  options: { signal: AbortSignal },
): void {
  const { signal } = options;
  if (signal.aborted) return;
  const watcher = new FileWatcher(path, onChange);
  signal.addEventListener("abort", () => watcher.close(), { once: true });
}

class FileWatcher {
  readonly #path: string;
  readonly #onChange: () => void;
  readonly #poll: NodeJS.Timeout;
  readonly #stopWatching: () => void;
  #settling: NodeJS.Timeout | undefined;
  #seen: string;

  constructor(path: string, onChange: () => void) {
    this.#path = path;
    this.#onChange = onChange;
    this.#seen = signature(path);
    this.#poll = setInterval(() => this.#look(), LOOK_MS).unref();
    this.#stopWatching = watchFolder(path, () => this.#settle());
  }

  close(): void {
    this.#stopWatching();
    clearInterval(this.#poll);
    clearTimeout(this.#settling);
  }

  #look(): void {
    if (signature(this.#path) !== this.#seen) this.#settle();
  }

  #settle(): void {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => this.#report(), SETTLE_MS).unref();
  }

  #report(): void {
    const now = signature(this.#path);
    if (now === this.#seen) return;
    this.#seen = now;
    this.#onChange();
  }
}

function watchFolder(path: string, onEvent: () => void): () => void {
  const name = basename(path);
  try {
    const watcher = watch(dirname(path), { persistent: false }, (_, changed) => {
      if (changed === null || changed === name) onEvent();
    });
    watcher.on("error", () => watcher.close()); // looking once a second remains
    return () => watcher.close();
  } catch {
    return () => {};
  }
}

// Synchronous, so that nothing that happens after watchConfigFile returns is taken for the state before it.
function signature(path: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(path);
    return `${mtimeMs} ${size} ${ino}`;
  } catch (error) {
    return `absent: ${messageOf(error)}`;
  }
}
