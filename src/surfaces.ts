import type { Surface } from "./access/index.ts";
import { apiSurfaces } from "./api/index.ts";
import { mcpSurfaces } from "./gateway/index.ts";

/** Every address that is served. What is not in here does not exist, and what is in here has a scope. */
export const surfaces: readonly Surface[] = [...mcpSurfaces, ...apiSurfaces];
