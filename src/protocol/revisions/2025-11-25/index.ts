import { revision20250618 } from "../2025-06-18/index.ts";
import type { Revision } from "../revision.ts";

/** Icons, elicitation by URL, sampling with tools, streams that may be polled. */
export const revision20251125: Revision = {
  ...revision20250618,
  id: "2025-11-25",
  primesStreams: true,
};
