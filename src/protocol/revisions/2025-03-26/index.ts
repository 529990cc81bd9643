import { revision20241105 } from "../2024-11-05/index.ts";
import type { Revision } from "../revision.ts";

/** Streamable HTTP, tool annotations, audio, and batches. */
export const revision20250326: Revision = { ...revision20241105, id: "2025-03-26", batches: true };
