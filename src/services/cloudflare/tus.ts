// The core of tus 1.0.0 (https://tus.io/protocols/resumable-upload): what is sent goes on from where the server says it is.
import { ServiceError, ToolError, type Clock, type RestClient } from "@signalbox/kit";

export const tusVersion = { "tus-resumable": "1.0.0" } as const;

/** `Upload-Metadata`: names with their values in base64; a value of true is a name alone. */
export function tusMetadata(values: Readonly<Record<string, string | true | undefined>>): string {
  return Object.entries(values)
    .flatMap(([name, value]) => {
      if (value === undefined) return [];
      return [value === true ? name : `${name} ${Buffer.from(value).toString("base64")}`];
    })
    .join(",");
}

export interface TusSending {
  readonly rest: RestClient;
  readonly location: string;
  readonly bytes: number;
  readonly chunkBytes: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** So many bytes of the file from an offset. */
  readonly read: (offset: number, bytes: number) => Promise<Uint8Array>;
  readonly onOffset: (offset: number) => void;
}

/**
 * How many bytes the server has. Throws ToolError (CLOUDFLARE_UPLOAD_CHANGED) where its upload is of another size, and ServiceError; a status
 * of 404 or 410 says that there is no such upload any more.
 */
export async function tusOffset(sending: Omit<TusSending, "read" | "onOffset">): Promise<number> {
  const { rest, location, bytes, signal } = sending;
  const { headers } = await rest.request({
    method: "HEAD",
    path: location,
    headers: tusVersion,
    signal,
  });
  const length = headers.get("upload-length");
  if (length !== null && Number(length) !== bytes)
    throw new ToolError("The upload that was begun is of another size: the file has changed.", {
      code: "CLOUDFLARE_UPLOAD_CHANGED",
    });
  return offsetIn(headers, 0, bytes);
}

/** Sends everything from `offset` on; after a failure that may pass it asks where to go on, a few times without progress. */
export async function tusSend(sending: TusSending, from: number): Promise<void> {
  const { bytes, clock, signal, onOffset } = sending;
  let offset = from;
  let failures = 0;
  while (offset < bytes) {
    try {
      if (failures > 0) offset = await tusOffset(sending);
      // The last chunk may have arrived, although its answer did not.
      if (offset < bytes) offset = await sendChunk(sending, offset);
      failures = 0;
      onOffset(offset);
    } catch (error) {
      const waitMs = waitsMs[failures++];
      if (waitMs === undefined || !mayPass(error)) throw error;
      await clock.wait(waitMs, signal);
    }
  }
}

async function sendChunk(sending: TusSending, offset: number): Promise<number> {
  const { rest, location, bytes, chunkBytes, signal, read } = sending;
  const body = await read(offset, Math.min(chunkBytes, bytes - offset));
  const { headers } = await rest.request({
    method: "PATCH",
    path: location,
    headers: {
      ...tusVersion,
      "content-type": "application/offset+octet-stream",
      "upload-offset": String(offset),
    },
    body,
    signal,
  });
  // At least one more byte, so that a server that takes none does not keep us here for ever.
  return offsetIn(headers, offset + 1, offset + body.byteLength);
}

function offsetIn(headers: Headers, least: number, most: number): number {
  const text = headers.get("upload-offset") ?? "";
  const offset = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (offset >= least && offset <= most) return offset;
  throw new ServiceError(
    `Cloudflare says that it has ${text === "" ? "an unknown number of" : text} bytes, where ${least} to ${most} are possible.`,
    { kind: "non_retryable", code: "VENDOR_ANSWER" },
  );
}

// 409: the offsets differ; 423: the chunk before is still being written.
function mayPass(error: unknown): boolean {
  if (!(error instanceof ServiceError)) return false;
  return error.kind !== "non_retryable" || error.status === 409 || error.status === 423;
}

const waitsMs = [500, 2_000, 5_000, 10_000] as const;
