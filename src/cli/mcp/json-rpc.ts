import { z } from "zod";

export type RequestId = string | number;

export const requestId = z.union([z.string(), z.number()]);

/** A message as far as the command line looks into it; the rest is relayed as text. */
export const message = z.looseObject({
  jsonrpc: z.literal("2.0"),
  id: requestId.nullish(),
  method: z.string().optional(),
  params: z.unknown().optional(),
  result: z.unknown().optional(),
  error: z
    .looseObject({ code: z.number(), message: z.string(), data: z.unknown().optional() })
    .optional(),
});
export type Message = z.infer<typeof message>;

export const errorCodes = { parse: -32700, invalidRequest: -32600, internal: -32603 } as const;

/** A JSON-RPC error answer as one line. */
export function errorLine(id: RequestId | null, code: number, sentence: string): string {
  return JSON.stringify({ jsonrpc: "2.0", id, error: { code, message: sentence } });
}

/** The message a text holds; undefined when it is not JSON-RPC. */
export function readMessage(text: string): Message | undefined {
  try {
    return message.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
