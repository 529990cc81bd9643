/** A trial of a server: connect as defined, list what it offers, let it go. */
import {
  isSignalboxError,
  messageOf,
  type Clock,
  type ErrorCode,
  type Log,
} from "../foundation/index.ts";
import type { Era, JsonObject } from "../protocol/index.ts";
import type { UpstreamServer } from "../upstream/index.ts";
import type { Identity } from "./greeting.ts";
import type { Limits } from "./options.ts";
import { ServerCatalog } from "./server-catalog.ts";

export interface TestReport {
  readonly ok: boolean;
  readonly era?: Era;
  readonly revision?: string;
  readonly serverInfo?: JsonObject;
  readonly tools?: number;
  readonly prompts?: number;
  readonly resources?: number;
  /** How long it took, in milliseconds. */
  readonly ms: number;
  readonly error?: { readonly code: ErrorCode; readonly message: string };
}

/** Tries `server` and closes it; failures are part of the report, never thrown. */
export async function testServer(
  server: UpstreamServer,
  deps: { clock: Clock; log: Log; limits: Limits },
  identity: Identity,
  signal: AbortSignal,
): Promise<TestReport> {
  const startedAt = deps.clock.monotonicMs();
  const elapsed = (): number => Math.round(deps.clock.monotonicMs() - startedAt);
  try {
    const lane = await server.lane({ kind: "shared" }, signal);
    const catalog = new ServerCatalog(server, {
      ...deps,
      envelope: { clientInfo: { ...identity }, capabilities: {} },
      changed: () => {},
    });
    const counts: number[] = [];
    for (const kind of ["tools", "prompts", "resources"] as const) {
      const listing = catalog.listing(kind);
      await listing.settle();
      const { items, missing } = listing.view();
      if (missing !== undefined) {
        const error = { code: missing.reason, message: missing.message };
        return { ok: false, ms: elapsed(), era: lane.era, revision: lane.revision, error };
      }
      counts.push(items.length);
    }
    const [tools = 0, prompts = 0, resources = 0] = counts;
    const { era, revision, serverInfo } = lane;
    return { ok: true, ms: elapsed(), era, revision, serverInfo, tools, prompts, resources };
  } catch (error) {
    // A failure of ours says in its own words what its cause says again.
    const [code, message] = isSignalboxError(error)
      ? ([error.code, error.message] as const)
      : (["SERVER_UNREACHABLE", messageOf(error)] as const);
    return { ok: false, ms: elapsed(), error: { code, message } };
  } finally {
    await server.close();
  }
}
