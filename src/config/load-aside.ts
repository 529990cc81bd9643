// Reading a large configuration takes tens of milliseconds, which every call under way would wait for. A changed file is
// therefore read and checked in a thread of its own; at the start nothing waits, and `loadConfig` is called at once.
import { once } from "node:events";
import { statSync } from "node:fs";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { SignalboxError, isSignalboxError, type ErrorCode } from "../foundation/index.ts";
import { loadConfig, type Config } from "./load.ts";

/** What `loadConfig` is asked for. */
interface Question {
  readonly argv: readonly string[];
  readonly env: Record<string, string | undefined>;
  readonly cwd: string;
  readonly terminal: boolean;
}

type Outcome =
  | { readonly config: Config }
  | { readonly code: ErrorCode; readonly message: string; readonly details?: object }
  | { readonly thrown: unknown };

/** A smaller file is read before a thread would have started. */
const SMALL_BYTES = 8 * 1024;
/** What the thread may take: without a bound its heap grows as far as memory goes. */
const THREAD_LIMITS = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 256 };
const THREAD_NAME = "signalbox configuration";

/**
 * As `loadConfig`, without holding up this thread where `file`, the configuration file, is large; rejects also when the
 * signal aborts.
 */
export async function loadConfigAside(
  options: { argv: readonly string[]; env: NodeJS.ProcessEnv; cwd: string },
  file: string,
  signal: AbortSignal,
): Promise<Config> {
  signal.throwIfAborted();
  if (sizeOf(file) <= SMALL_BYTES) return loadConfig(options);
  const question: Question = {
    ...options,
    env: { ...options.env },
    terminal: process.stdout.isTTY,
  };
  const worker = new Worker(new URL(import.meta.url), {
    name: THREAD_NAME,
    workerData: question,
    execArgv: [],
    resourceLimits: THREAD_LIMITS,
  });
  try {
    const [outcome]: Outcome[] = await once(worker, "message", { signal });
    return configIn(outcome);
  } finally {
    void worker.terminate();
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

function configIn(outcome: Outcome | undefined): Config {
  if (outcome === undefined) throw new TypeError("the configuration thread said nothing");
  if ("config" in outcome) return outcome.config;
  if ("thrown" in outcome) throw outcome.thrown;
  const { code, message, details } = outcome;
  throw new SignalboxError(code, message, details === undefined ? {} : { details: { ...details } });
}

function answer(question: Question): Outcome {
  try {
    return { config: loadConfig(question) };
  } catch (error) {
    if (!isSignalboxError(error)) return { thrown: error };
    const { code, message, details } = error;
    return { code, message, ...(details !== undefined && { details }) };
  }
}

// The thread's own part: this module is also its program.
if (!isMainThread && isQuestion(workerData)) {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  parentPort?.postMessage(answer(workerData));
}

function isQuestion(value: unknown): value is Question {
  return typeof value === "object" && value !== null && "argv" in value && "cwd" in value;
}
