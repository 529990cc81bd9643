import { mkdir, writeFile } from "node:fs/promises";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type GatewaySetup, startGateway, type TestGateway } from "../support/gateway.ts";
import {
  everythingOverStdio,
  filesystemOverStdio,
  memoryOverStdio,
  startEverything,
  startServerEverything,
} from "../support/servers.ts";

/** A gateway with the published servers and our own behind it. */
export interface Town {
  readonly gateway: TestGateway;
  readonly folder: string;
  close(): Promise<void>;
}

/**
 * Starts, behind one gateway: `everything` over HTTP, `files` and `memory` over stdio, and our everything server four
 * times: `both`, `old` and `new` over HTTP with those eras, `lines` over stdio.
 */
export async function startTown(): Promise<Town> {
  const folder = await mkdtemp(join(tmpdir(), "signalbox-town-"));
  await mkdir(join(folder, "files"));
  await writeFile(join(folder, "files", "greeting.txt"), "Hello from a file.\n");
  const [everything, both, old, modern] = await Promise.all([
    startServerEverything(),
    startEverything("both"),
    startEverything("legacy"),
    startEverything("modern"),
  ]);
  const servers: NonNullable<GatewaySetup["servers"]> = {
    everything: { url: everything.url },
    files: filesystemOverStdio(join(folder, "files")),
    memory: memoryOverStdio(join(folder, "memory.jsonl")),
    both: { url: both.url },
    old: { url: old.url },
    new: { url: modern.url },
    lines: everythingOverStdio(),
  };
  const gateway = await startGateway({ servers });
  return {
    gateway,
    folder,
    close: async () => {
      await Promise.all([everything, both, old, modern].map((server) => server.stop()));
      await rm(folder, { recursive: true, force: true });
      await gateway.stop();
    },
  };
}

/** The names of the servers of `startTown`. */
export const townServers = [
  "everything",
  "files",
  "memory",
  "both",
  "old",
  "new",
  "lines",
] as const;
