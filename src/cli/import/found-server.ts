import type { ServerOptionsSent } from "../server-definition.ts";

/** A server as a client's file describes it, its placeholders still in place. */
export interface FoundServer {
  kind: "server";
  /** As the file names it. */
  originalName: string;
  /** The folder `${workspaceFolder}` stands for. */
  folder: string;
  options: ServerOptionsSent;
  envFile?: string;
  /** What a person should know, in whole sentences. */
  notes: string[];
  /** What `${input:id}` and `{name}` ask for. */
  inputs: ReadonlyMap<string, InputQuestion>;
}

/** An entry that cannot be taken over, and why. */
export interface UnsupportedServer {
  kind: "unsupported";
  originalName: string;
  reason: string;
}

export type FoundEntry = FoundServer | UnsupportedServer;

export interface InputQuestion {
  description: string;
  secret: boolean;
  default?: string;
  choices?: readonly string[];
}
