// For tests: a gateway in little that opens the store of a home, appends calls and reports each on standard output
// once it is acknowledged, until it is killed. What it finds there is reported first. Argument: the home.
import { newId, silentLog } from "../../foundation/index.ts";
import { openStore } from "../store.ts";

const [, , home = ""] = process.argv;
const store = await openStore({ home, log: silentLog });
const found = await store.calls.recent({ limit: 500 });
tell({ ready: true, found: found.map(({ id }) => id), uid: process.getuid?.() });

for (;;) {
  const id = newId();
  await store.calls.append([
    {
      id,
      at: Date.now(),
      principalId: "p",
      principalName: "crash test",
      method: "tools/call",
      outcome: "ok",
      durationMs: 1,
      upstreamMs: 1,
      ownMs: 0,
      requestBytes: 1,
      responseBytes: 1,
      requestId: "1",
      era: "modern",
    },
  ]);
  tell({ written: id });
}

function tell(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
