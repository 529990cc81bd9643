import { isJsonObject, stringify } from "../../protocol/index.ts";
import type { OutboundRequest } from "../lane.ts";

/**
 * The text of a request under an id of ours, which is also its progress token where progress is asked
 * for. The message is written to and put back as it was.
 */
export function mintedBody(request: OutboundRequest, id: number): string {
  const { message } = request;
  const meta = message.params?.["_meta"];
  const hasToken = isJsonObject(meta) && meta["progressToken"] !== undefined;
  const callerId = message.id;
  const token = hasToken ? meta["progressToken"] : undefined;
  message.id = id;
  if (hasToken) meta["progressToken"] = id;
  try {
    return stringify(message);
  } finally {
    message.id = callerId;
    if (hasToken) meta["progressToken"] = token;
  }
}

/** The caller's own progress token. */
export function callersToken(request: OutboundRequest): unknown {
  const meta = request.message.params?.["_meta"];
  return isJsonObject(meta) ? meta["progressToken"] : undefined;
}
