import { once } from "node:events";
import { z } from "zod";

const answersWithinMs = 10_000;

const targetsSchema = z.array(z.looseObject({ webSocketDebuggerUrl: z.string() })).min(1);
const collect = JSON.stringify({ id: 1, method: "HeapProfiler.collectGarbage" });

/** What makes a Node process listen for `collectGarbage` on a port of 127.0.0.1; for its `NODE_OPTIONS`. */
export function inspectable(port: number): string {
  return `--inspect=127.0.0.1:${port}`;
}

/**
 * Has an inspectable process collect its garbage, for an idle one does not by itself: what it holds after that it wants
 * to hold.
 */
export async function collectGarbage(port: number): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${port}/json/list`);
  const [target] = targetsSchema.parse(await answer.json());
  const socket = new WebSocket(target?.webSocketDebuggerUrl ?? "");
  const signal = AbortSignal.timeout(answersWithinMs);
  try {
    await once(socket, "open", { signal });
    const collected = once(socket, "message", { signal });
    socket.send(collect);
    await collected;
  } finally {
    socket.close();
  }
}
