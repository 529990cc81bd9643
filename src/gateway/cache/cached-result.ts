/** Results on their way into the cache and out of it again. */
import { stringify, type JsonObject, type RequestId } from "../../protocol/index.ts";
import { freshnessOf, learn, type CachePolicy } from "./cache-policy.ts";
import type { CacheHit, Flight } from "./flight.ts";

/**
 * Tells a flight what its leader's call has brought. `result` is what the server wrote, `given` the same as clients of the
 * flight's form read it.
 */
export function conclude(
  flight: Flight,
  policy: CachePolicy,
  result: JsonObject,
  given: JsonObject = result,
): void {
  learn(policy, result);
  const verdict = freshnessOf(policy, result);
  if (!verdict.keep && !verdict.share) {
    flight.pass();
  } else if (flight.key.shared && verdict.scope !== "public") {
    flight.pass();
  } else if (verdict.keep) {
    // A legacy result has no place for the time that is left.
    const told = verdict.told && typeof given["ttlMs"] === "number";
    flight.keep(bodyOf(given, told), { ttlMs: verdict.ttlMs, told });
  } else {
    flight.share(bodyOf(given, false));
  }
}

/** The response to one request out of the cache. */
export function cachedResponse(id: RequestId, { body, ttlLeftMs }: CacheHit): Buffer {
  let head = `{"jsonrpc":"2.0","id":${stringify(id)},"result":`;
  let rest = body;
  if (ttlLeftMs !== undefined) {
    rest = body.subarray(1);
    head += `{"ttlMs":${Math.max(0, Math.floor(ttlLeftMs))}${rest.length > 1 ? "," : ""}`;
  }
  const headBytes = Buffer.byteLength(head);
  const response = Buffer.allocUnsafe(headBytes + rest.length + 1);
  response.write(head, 0);
  rest.copy(response, headBytes);
  response[response.length - 1] = CLOSE_BRACE;
  return response;
}

const CLOSE_BRACE = 0x7d;

// How long an answer is good for shrinks while it lies here, so that number is written anew each time it is given. Where
// the operator has set aside what the server says, clients are told to keep nothing.
function bodyOf(given: JsonObject, told: boolean): Buffer {
  const { ttlMs, ...rest } = given;
  if (told) return bufferOf(stringify(rest));
  const text =
    typeof ttlMs === "number" && ttlMs > 0 ? stringify({ ...rest, ttlMs: 0 }) : stringify(given);
  return bufferOf(text);
}

// Its own memory: a small slice of Node's shared pool would keep the whole of it alive.
function bufferOf(text: string): Buffer {
  const body = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  body.write(text);
  return body;
}
