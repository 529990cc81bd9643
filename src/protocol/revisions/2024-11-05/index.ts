import type { Revision } from "../revision.ts";

/** The first published revision: HTTP+SSE, no annotations, no elicitation. */
export const revision20241105: Revision = {
  id: "2024-11-05",
  era: "legacy",
  requests: new Set([
    "initialize",
    "ping",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "logging/setLevel",
  ]),
  notifications: new Set([
    "notifications/initialized",
    "notifications/cancelled",
    "notifications/progress",
    "notifications/roots/list_changed",
  ]),
  serverRequests: new Set(["ping", "sampling/createMessage", "roots/list"]),
  batches: false,
  primesStreams: false,
};
