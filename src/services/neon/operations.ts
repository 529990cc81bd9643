import { path } from "@signalbox/kit";
import { z } from "zod";
import type { Neon } from "./runtime.ts";
import { operation, type withOperations } from "./schemas.ts";

type Operation = z.output<typeof operation>;

export interface AwaitedOperations {
  readonly operations: readonly Operation[];
  /** Whether all of them have been done. */
  readonly ready: boolean;
}

export interface WaitOptions {
  readonly signal: AbortSignal;
  readonly timeoutMs?: number;
  progress(done: number, total: number, message: string): void;
}

/** Waits until Neon has done what it does in the background, or the time is over. */
export async function awaitOperations(
  { api, clock, options }: Neon,
  projectId: string,
  { operations: begun }: z.output<typeof withOperations>,
  wait: WaitOptions,
): Promise<AwaitedOperations> {
  const { signal, timeoutMs = options.operations_timeout } = wait;
  const deadlineMs = clock.monotonicMs() + timeoutMs;
  let operations: readonly Operation[] = begun;
  for (let pollMs = pollFirstMs; ; pollMs = Math.min(pollMs * 1.5, pollMsMax)) {
    const over = operations.filter(isOver).length;
    wait.progress(over, operations.length, `${over} of ${operations.length} operations are over`);
    if (over === operations.length || clock.monotonicMs() + pollMs > deadlineMs)
      return { operations, ready: operations.every(({ status }) => done.has(status)) };
    await clock.wait(pollMs, signal);
    operations = await Promise.all(
      operations.map(async (one) => (isOver(one) ? one : await again(one.id))),
    );
  }

  async function again(id: string): Promise<Operation> {
    const answer = await api.ask(
      { path: path`/projects/${projectId}/operations/${id}`, signal },
      z.object({ operation }),
    );
    return answer.operation;
  }
}

function isOver({ status }: Operation): boolean {
  return done.has(status) || failed.has(status);
}

const done: ReadonlySet<string> = new Set(["finished", "skipped"]);
const failed: ReadonlySet<string> = new Set(["failed", "error", "cancelled"]);
const pollFirstMs = 500;
const pollMsMax = 5_000;
