import { ServiceError } from "../service-error.ts";

/** The body of an answer, read no further than `bytesMax`. Throws ServiceError where it is larger. */
export async function boundedBody(response: Response, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax)
      throw new ServiceError(
        `The vendor's answer is larger than ${bytesMax} bytes. Ask for less: a smaller page, fewer fields, a narrower filter.`,
        { kind: "non_retryable", code: "VENDOR_ANSWER", status: response.status },
      );
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
