// The metrics page before and after some calls: which families moved, by how much, and that they say what happened.
import { demonstrate, type Called } from "./demonstration.ts";

const GOOD = 20;
const REPEATED = 3;
const LOST = 2;

/** Families that this must have moved. */
const expected = [
  "mcp_tool_executions_total",
  "mcp_tool_execution_duration_seconds_count",
  "mcp_tool_execution_retries_total",
  "mcp_gateway_overhead_seconds_count",
  "mcp_response_bytes_total",
];

await demonstrate("metrics", async (demo) => {
  const server = await demo.server("shop");
  const gateway = await demo.gateway({
    servers: { shop: { url: server.url, retry_policy: { base_delay: "20ms" } } },
  });
  const before = await scrape(gateway.process.metricsUrl);

  const good = await gateway.calls("shop__look", GOOD, 4);
  const repeated: Called[] = [];
  for (let call = 0; call < REPEATED; call++) {
    server.forget();
    server.reply = () =>
      server.arrivals.length === 1 ? { kind: "status", status: 500 } : { kind: "answer" };
    repeated.push(await gateway.call("shop__look"));
  }
  server.reply = () => ({ kind: "reset" });
  const lost = await gateway.calls("shop__book", LOST, 1);
  const callers = [...good, ...repeated];
  demo.check(
    `the callers saw ${GOOD + REPEATED} calls answered and ${LOST} failed`,
    callers.every(({ ok }) => ok) && lost.every(({ ok }) => !ok),
  );

  const after = await scrape(gateway.process.metricsUrl);
  const moved = movedBetween(before, after);
  demo.say(`${before.size} series before, ${after.size} after; of the server "shop" moved:`);
  for (const [series, by] of moved)
    if (series.includes('"shop"')) demo.say(`  +${rounded(by)} ${series}`);
  const families = new Set([...moved.keys()].map(familyOf));
  for (const family of expected) demo.check(`${family} moved`, families.has(family));

  const executions = (tool: string, status: string): number =>
    sumOf(moved, "mcp_tool_executions_total", [`tool_name="${tool}"`, `status="${status}"`]);
  demo.check(
    `${GOOD + REPEATED} calls of look are counted as ok, ${LOST} of book as unknown: they may have been carried out`,
    executions("look", "ok") === GOOD + REPEATED && executions("book", "unknown") === LOST,
  );
  demo.check(
    `${REPEATED} calls are counted as sent again`,
    sumOf(moved, "mcp_tool_execution_retries_total", ['"shop"']) === REPEATED,
  );
});

/** The value of each series of a metrics page. */
async function scrape(url: string): Promise<ReadonlyMap<string, number>> {
  const page = await (await fetch(url)).text();
  const series = page.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    series.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

/** What grew, without the buckets of histograms. */
function movedBetween(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const grown = [...after].map(
    ([series, value]) => [series, value - (before.get(series) ?? 0)] as const,
  );
  return new Map(grown.filter(([series, by]) => by > 0 && !familyOf(series).endsWith("_bucket")));
}

function rounded(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function familyOf(series: string): string {
  return series.split("{", 1)[0] ?? series;
}

function sumOf(
  moved: ReadonlyMap<string, number>,
  family: string,
  labels: readonly string[],
): number {
  let sum = 0;
  for (const [series, by] of moved) {
    if (familyOf(series) === family && labels.every((label) => series.includes(label))) sum += by;
  }
  return sum;
}
