import { defineService } from "@signalbox/kit";
import { getTides } from "./get-tides.ts";
import { listStations } from "./list-stations.ts";
import { reportLevel } from "./report-level.ts";
import { connect } from "./runtime.ts";
import { tidesSettings } from "./settings.ts";

export const tides = defineService({
  name: "tides",
  title: "Tides",
  version: "1.0.0",
  description: "High and low waters at stations of the coast, and levels that people have read.",
  settings: tidesSettings,
  tools: [listStations, getTides, reportLevel],
  connect,
});
