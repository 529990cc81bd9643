// openapi.json from the routes of src/api.

/** The document by its path. */
export async function openapiDocument(): Promise<Map<string, string>> {
  return new Map();
}
