export { RPC, errorResponse, modernStatusOf } from "./error-codes.ts";
export { encodeHeaderValue } from "./header-values.ts";
export { mcpNameOf, readIngress, type Ingress, type IngressHeaders } from "./ingress.ts";
export {
  JsonBoundsError,
  isJsonObject,
  numberOf,
  parseJson,
  stringify,
  type JsonBounds,
  type JsonObject,
} from "./json.ts";
export {
  isNotification,
  isRequest,
  isResponse,
  readMessage,
  type JsonRpcError,
  type JsonRpcNotification,
  type JsonRpcRequest,
  type JsonRpcResponse,
  type Message,
  type MessageOutcome,
  type RequestId,
} from "./message.ts";
export { META } from "./meta.ts";
export {
  compileParamHeaders,
  paramHeaderMismatch,
  paramHeaderValues,
  type ParamHeader,
} from "./param-headers.ts";
export {
  LEGACY_REVISIONS,
  MODERN_REVISION,
  negotiateLegacy,
  revisionOf,
  type Era,
  type Revision,
} from "./revisions/index.ts";
export { SseOverflowError, SseParser, sseEvent, type SseEvent } from "./sse.ts";
export { toLegacyParams, toModernParams, type Envelope } from "./bridge/params.ts";
export {
  toLegacyResult,
  toLegacyTool,
  toModernError,
  toModernResult,
  toModernTool,
} from "./bridge/results.ts";
export { ERROR_RESULT, LOOK_CLOSER, answerKind } from "./scan-answer.ts";
