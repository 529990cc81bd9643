/** What a server shows of itself to who looks closely: its endpoints, what guards them, and why it does what it does. */
import { redactText } from "../foundation/index.ts";
import type { Era } from "../protocol/index.ts";
import type { LinkTransition } from "./link-history.ts";
import type { Link } from "./link.ts";
import type { CrashLoopState } from "./processes/crash-loop.ts";
import { processFacts, type ProcessFacts } from "./processes/process-facts.ts";
import { readProcessTable } from "./processes/process-table.ts";
import type { LastError, LinkState } from "./server-status.ts";
import type { StdioLane } from "./transports/stdio.ts";
import type { UpstreamServer } from "./upstream-server.ts";

/** One endpoint. Times are epoch milliseconds. */
export interface EndpointFacts {
  readonly id: string;
  readonly url?: string;
  readonly state: LinkState;
  readonly since: number;
  /** The share of the time since the gateway knows it that it was up, 0 to 1. */
  readonly uptime?: number;
  /** Connections lost, unplanned, and made again. */
  readonly reconnects: number;
  readonly era?: Era;
  readonly revision?: string;
  readonly lanes: number;
  /** Connections to a remote endpoint. */
  readonly connections?: { open: number; busy: number; waiting: number; max: number };
  /** The processes of a local server. */
  readonly processes?: readonly ProcessView[];
  /** What the balance knows of it. */
  readonly balance: ReturnType<UpstreamServer["explain"]>;
  readonly lastError?: LastError;
  /** The newest last. */
  readonly history: readonly LinkTransition[];
}

export interface ProcessView extends Partial<ProcessFacts> {
  readonly pid: number;
  /** What holds the limits that were asked for. */
  readonly limitsHeldBy: StdioLane["limitsHeldBy"];
}

export interface ServerFacts {
  readonly primary: string;
  readonly strategy: string;
  readonly endpoints: readonly EndpointFacts[];
  readonly breakers: ReturnType<UpstreamServer["breakers"]["explain"]>;
  readonly bulkhead: ReturnType<UpstreamServer["bulkhead"]["status"]>;
  readonly retries: ReturnType<UpstreamServer["retries"]["explain"]>;
  /** Of a local server. */
  readonly crashLoop?: CrashLoopState;
}

/** The facts of a server at this moment. */
export function factsOf(server: UpstreamServer): ServerFacts {
  return {
    primary: server.primary.id,
    strategy: server.strategy,
    endpoints: server.links.map((link) => endpointFacts(server, link)),
    breakers: server.breakers.explain(),
    bulkhead: server.bulkhead.status(),
    retries: server.retries.explain(),
    ...(server.crashLoop && { crashLoop: server.crashLoop }),
  };
}

function endpointFacts(server: UpstreamServer, link: Link): EndpointFacts {
  const { history, era, revision, lastError, connections } = link;
  const { url } = link.endpoint;
  const uptime = history.uptime(server.clock.now());
  return {
    id: link.id,
    ...(url !== undefined && { url: redactText(withoutQuery(url)) }),
    state: link.state,
    since: history.since,
    ...(uptime !== undefined && { uptime }),
    reconnects: history.reconnects,
    ...(era && { era }),
    ...(revision && { revision }),
    lanes: link.openLanes,
    ...(connections && { connections }),
    ...(server.crashLoop && { processes: processesOf(link) }),
    balance: server.explain(link),
    ...(lastError && {
      lastError: { code: lastError.error.code, message: lastError.error.message, at: lastError.at },
    }),
    history: history.transitions,
  };
}

function processesOf(link: Link): ProcessView[] {
  const lanes = link.stdioLanes;
  if (lanes.length === 0) return [];
  const table = readProcessTable();
  return lanes.map(({ pid, limitsHeldBy }) => ({
    ...processFacts(pid, table),
    pid,
    limitsHeldBy,
  }));
}

// A query may carry a key, and sometimes the path does.
function withoutQuery(url: string): string {
  const at = url.indexOf("?");
  return at < 0 ? url : url.slice(0, at);
}
