import { defineService } from "@signalbox/kit";
import { memoryTools } from "./memory-tools.ts";
import { connect } from "./runtime.ts";
import { mem0Settings } from "./settings.ts";

export const mem0 = defineService({
  name: "mem0",
  title: "Mem0",
  version: "1.0.0",
  description:
    "Memory for agents: what is remembered of persons, agents and runs, found again by meaning.",
  settings: mem0Settings,
  tools: memoryTools,
  connect,
});
