// Reading a large configuration takes tens of milliseconds, which every call under way would wait for. A changed file is
// therefore read and checked in a thread of its own; at the start nothing waits, and `loadConfig` is called at once.
import { once } from "node:events";
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

const THREAD_NAME = "signalbox configuration";

/** As `loadConfig`, without holding up this thread; rejects also when the signal aborts. */
export async function loadConfigAside(
  options: { argv: readonly string[]; env: NodeJS.ProcessEnv; cwd: string },
  signal: AbortSignal,
): Promise<Config> {
  const question: Question = {
    ...options,
    env: { ...options.env },
    terminal: process.stdout.isTTY,
  };
  const worker = new Worker(new URL(import.meta.url), {
    name: THREAD_NAME,
    workerData: question,
    execArgv: [],
  });
  try {
    const [outcome]: Outcome[] = await once(worker, "message", { signal });
    return configIn(outcome);
  } finally {
    void worker.terminate();
  }
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
