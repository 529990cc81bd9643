import { isJsonObject, type JsonObject } from "../json.ts";
import { META } from "../meta.ts";
import { MODERN_REVISION } from "../revisions/index.ts";

/** Who speaks and what it can do, as a modern request says it in `_meta`. */
export interface Envelope {
  readonly clientInfo: JsonObject;
  readonly capabilities: JsonObject;
  readonly logLevel?: string;
}

/** Params with the modern envelope; other `_meta` keys stay. */
export function toModernParams(params: JsonObject | undefined, envelope: Envelope): JsonObject {
  const meta = params?.["_meta"];
  return {
    ...params,
    _meta: {
      ...(isJsonObject(meta) ? meta : {}),
      [META.protocolVersion]: MODERN_REVISION,
      [META.clientInfo]: envelope.clientInfo,
      [META.clientCapabilities]: envelope.capabilities,
      ...(envelope.logLevel === undefined ? {} : { [META.logLevel]: envelope.logLevel }),
    },
  };
}

/** Params without the modern envelope; progress token, trace context and unknown keys stay. */
export function toLegacyParams(params: JsonObject | undefined): JsonObject | undefined {
  const meta = params?.["_meta"];
  if (!isJsonObject(meta)) return params;
  const {
    [META.protocolVersion]: _version,
    [META.clientInfo]: _info,
    [META.clientCapabilities]: _capabilities,
    [META.logLevel]: _level,
    ...rest
  } = meta;
  const { _meta: _whole, ...others } = params ?? {};
  return Object.keys(rest).length === 0 ? others : { ...others, _meta: rest };
}
