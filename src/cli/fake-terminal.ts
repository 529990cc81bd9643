// For tests: the streams of a command, with or without a person in front of them.
import { PassThrough, Writable } from "node:stream";
import type { CliIo } from "./cli-io.ts";

export interface FakeTerminal {
  io: CliIo;
  /** What was written so far. */
  stdout: () => string;
  stderr: () => string;
}

export interface FakeTerminalOptions {
  env?: Record<string, string>;
  cwd?: string;
  tty?: boolean;
  /** What is typed, each when the output ends with its question. */
  answers?: readonly (readonly [question: RegExp, typed: string])[];
  /** What is piped into stdin. */
  input?: string;
}

/** Streams for one `runCli`. */
export function fakeTerminal(options: FakeTerminalOptions = {}): FakeTerminal {
  const { tty = false, answers = [], env = {}, input } = options;
  const stdin = Object.assign(new PassThrough(), { isTTY: tty });
  const waiting = [...answers];
  const answer = (written: string): void => {
    const [next] = waiting;
    if (next === undefined || !next[0].test(written)) return;
    waiting.shift();
    setImmediate(() => stdin.write(`${next[1]}\n`));
  };
  const stdout = recorder(tty, () => undefined);
  const stderr = recorder(tty, answer);
  if (input !== undefined) stdin.end(input);
  return {
    io: {
      env,
      stdin,
      stdout: stdout.stream,
      stderr: stderr.stream,
      userHome: "/home/ada",
      platform: "linux",
      launcher: ["/opt/node", "/opt/signalbox.mjs"],
      version: "1.2.3",
      signal: new AbortController().signal,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    },
    stdout: stdout.text,
    stderr: stderr.text,
  };
}

interface Recorder {
  stream: Writable & { isTTY: boolean };
  text: () => string;
}

function recorder(isTTY: boolean, seen: (text: string) => void): Recorder {
  let text = "";
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done): void => {
      text += chunk.toString();
      seen(chunk.toString());
      done();
    },
  });
  return { stream: Object.assign(stream, { isTTY }), text: () => text };
}
