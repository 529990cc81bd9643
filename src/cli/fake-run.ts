import { afterEach, beforeEach } from "vitest";
import { FakeApi } from "./fake-api.ts";
import { fakeTerminal } from "./fake-terminal.ts";
import { runCli } from "./run-cli.ts";

export interface CliRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A fake API for each test of a file, and the command line with a key for it. */
export function againstFakeApi(): {
  readonly api: FakeApi;
  run: (...argv: string[]) => Promise<CliRun>;
} {
  let api: FakeApi | undefined;
  const started = (): FakeApi => {
    if (api === undefined) throw new Error("The fake API runs within tests only.");
    return api;
  };
  beforeEach(async () => {
    api = await FakeApi.start();
  });
  afterEach(async () => {
    await api?.[Symbol.asyncDispose]();
  });
  return {
    get api(): FakeApi {
      return started();
    },
    async run(...argv) {
      const env = { SIGNALBOX_URL: started().url, SIGNALBOX_KEY: "sbx_key" };
      const terminal = fakeTerminal({ env });
      const code = await runCli(argv, terminal.io);
      return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
    },
  };
}
