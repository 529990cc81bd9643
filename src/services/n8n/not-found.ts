import { ServiceError, ToolError } from "@signalbox/kit";

/** What comes of a request; where n8n answers 404, a ToolError with this sentence. */
export async function orNotFound<T>(work: Promise<T>, sentence: string): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof ServiceError && error.status === 404)
      throw new ToolError(sentence, { code: "NOT_FOUND", cause: error });
    throw error;
  }
}
