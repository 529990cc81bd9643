/**
 * Projects: whose a server, a bundle or a key is. What belongs to no named project belongs to `default`; whoever is of
 * every project (`*`) sees all of them.
 */
import { z } from "zod";

export const defaultProject = "default";
/** Every project: gateway-wide principals, and the servers that are part of the product. */
export const everyProject = "*";

/** `[projects.<name>]`: what people read of it. */
export const projectOptions = z.strictObject({
  title: z.string().max(200).optional(),
  description: z.string().max(2_000).optional(),
});

export type ProjectOptions = z.output<typeof projectOptions>;

/** The project of a server or bundle; what is part of the product belongs to all of them. */
export function projectOf(definition: {
  readonly origin: string;
  readonly options: { readonly project?: string | undefined };
}): string {
  if (definition.origin === "builtin") return everyProject;
  return definition.options.project ?? defaultProject;
}
