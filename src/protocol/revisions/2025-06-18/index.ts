import { revision20250326 } from "../2025-03-26/index.ts";
import type { Revision } from "../revision.ts";

/** Elicitation by form, structured output, resource links, the version header; batches are gone. */
export const revision20250618: Revision = {
  ...revision20250326,
  id: "2025-06-18",
  serverRequests: new Set([...revision20250326.serverRequests, "elicitation/create"]),
  batches: false,
};
