import { z } from "zod";

/** The name of a project, which servers, bundles and keys belong to. */
export const projectName = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9_-]{0,31}$/,
    'a project\'s name has 1 to 32 characters of "a-z", "0-9", "-" and "_", and starts with a letter or digit',
  );
