// For tests: a gateway in little that opens the store of a home, appends calls and reports each on standard output
// once it is acknowledged, until it is killed; after a hundred it only waits for that. What it finds there is reported first. Argument: the home.
import { newId, silentLog } from "../../src/foundation/index.ts";
import { CallEncoder, openStore } from "../../src/store/index.ts";

const [, , home = ""] = process.argv;
const store = await openStore({ home, log: silentLog });
const found = await store.calls.recent({ limit: 500 });
tell({ ready: true, found: found.map(({ id }) => id), uid: process.getuid?.() });

for (let written = 0; written < 100; written += 1) {
  const id = newId();
  const row = new CallEncoder().encode({
    id,
    at: Date.now(),
    principalId: "p",
    project: "default",
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
  });
  await store.calls.append(Buffer.from(`${row}\n`));
  tell({ written: id });
}

setInterval(() => undefined, 60_000);

function tell(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
