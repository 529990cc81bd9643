import { defineService } from "@signalbox/kit";
import { activateWorkflow } from "./activate-workflow.ts";
import { callWebhook } from "./call-webhook.ts";
import { createCredential } from "./create-credential.ts";
import { createWorkflow } from "./create-workflow.ts";
import { deactivateWorkflow } from "./deactivate-workflow.ts";
import { deleteCredential } from "./delete-credential.ts";
import { deleteWorkflow } from "./delete-workflow.ts";
import { executeWorkflow } from "./execute-workflow.ts";
import { getCredentialSchema } from "./get-credential-schema.ts";
import { getExecution } from "./get-execution.ts";
import { getWorkflow } from "./get-workflow.ts";
import { health } from "./health.ts";
import { listExecutions } from "./list-executions.ts";
import { listWebhooks } from "./list-webhooks.ts";
import { listWorkflows } from "./list-workflows.ts";
import { retryExecution } from "./retry-execution.ts";
import { connect } from "./runtime.ts";
import { n8nSettings } from "./settings.ts";
import { stopExecution } from "./stop-execution.ts";
import { updateWorkflow } from "./update-workflow.ts";

export const n8n = defineService({
  name: "n8n",
  title: "n8n",
  version: "1.0.0",
  description:
    "Workflows of n8n: which there are, running them, what came of it, and their webhooks. Workflows are named by id or by their whole name.",
  settings: n8nSettings,
  tools: [
    listWorkflows,
    getWorkflow,
    executeWorkflow,
    listExecutions,
    getExecution,
    stopExecution,
    retryExecution,
    activateWorkflow,
    deactivateWorkflow,
    listWebhooks,
    callWebhook,
    createWorkflow,
    updateWorkflow,
    deleteWorkflow,
    getCredentialSchema,
    createCredential,
    deleteCredential,
    health,
  ],
  connect,
});
