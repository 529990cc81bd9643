import type { Revision } from "../revision.ts";

/** Stateless: every request carries its envelope, the server asks by `input_required`, changes come over a listen. */
export const revision20260728: Revision = {
  id: "2026-07-28",
  era: "modern",
  requests: new Set([
    "server/discover",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "subscriptions/listen",
  ]),
  notifications: new Set(["notifications/cancelled"]),
  serverRequests: new Set(),
  batches: false,
  primesStreams: false,
};
