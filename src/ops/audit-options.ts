import { z } from "zod";
import { duration } from "../foundation/index.ts";

const DAY_MS = 86_400_000;

/** `[audit]`: how long the audit trail is kept, and where it is sent on. */
export const auditOptions = z.strictObject({
  /** Older records are deleted, from the beginning on; 0 keeps all of them. */
  retention: duration.default(365 * DAY_MS),
  /** Where the records are sent on, in batches of NDJSON. */
  webhook_url: z
    .url({ protocol: /^https?$/, error: 'must be an address such as "https://siem.example/audit"' })
    .optional(),
  /** Each batch is signed with it, in `X-Signature-256`. */
  webhook_secret: z.string().min(16).optional(),
});
