import { limitRow, type Question, type Row } from "../question.ts";
import { median } from "../tools/contestant.ts";
import { startGateway } from "../tools/gateway.ts";
import { startUpstream } from "../tools/upstream.ts";

const STARTS = 3;

/** How long a start takes. */
export const starts: Question = {
  name: "starts",
  method:
    "From the start of the process until `/ready` answers 200, asked every 10 ms. Cold: an empty home, so that the database is initialised and migrated. Warm: the same home again after an orderly stop. The median of three (one in a quick run).",
  async measure(bench) {
    const upstream = await startUpstream(bench.upstream);
    const cold: number[] = [];
    const warm: number[] = [];
    try {
      for (let round = 0; round < (bench.quick ? 1 : STARTS); round++) {
        let gateway = await startGateway({ servers: { up: { url: upstream.url } } });
        cold.push(gateway.readyAfterMs / 1000);
        gateway = await gateway.restart();
        warm.push(gateway.readyAfterMs / 1000);
        await gateway.stop();
      }
    } finally {
      await upstream.stop();
    }
    return {
      rows: [
        startRow("warm start to ready", 3, warm),
        startRow("cold start with database initialisation", 10, cold),
      ],
      details: `Warm: ${inSeconds(warm)} s. Cold: ${inSeconds(cold)} s.`,
    };
  },
};

function startRow(figure: string, max: number, values: readonly number[]): Row {
  return limitRow({ figure, max, unit: "s", digits: 2, measured: median(values) });
}

function inSeconds(values: readonly number[]): string {
  return values.map((value) => value.toFixed(2)).join(", ");
}
