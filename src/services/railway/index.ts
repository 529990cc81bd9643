import { defineService } from "@signalbox/kit";
import {
  deploymentCancel,
  deploymentList,
  deploymentLogs,
  deploymentRedeploy,
  deploymentRestart,
  deploymentRollback,
  deploymentStatus,
  deploymentTrigger,
  deploymentWait,
} from "./deployment-tools.ts";
import { domainList, environmentList, projectList, serviceList, whoami } from "./project-tools.ts";
import { connect } from "./runtime.ts";
import { railwaySettings } from "./settings.ts";
import { variableDelete, variableList, variableSet } from "./variable-tools.ts";

export const railway = defineService({
  name: "railway",
  title: "Railway",
  version: "1.0.0",
  description:
    "Deployments on Railway: begin them, wait for their end, read their logs, go back; services, environments, domains and variables.",
  settings: railwaySettings,
  tools: [
    projectList,
    serviceList,
    environmentList,
    deploymentList,
    deploymentTrigger,
    deploymentStatus,
    deploymentWait,
    deploymentLogs,
    deploymentRedeploy,
    deploymentRestart,
    deploymentRollback,
    deploymentCancel,
    variableList,
    variableSet,
    variableDelete,
    domainList,
    whoami,
  ],
  connect,
});
