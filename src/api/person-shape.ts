import { z } from "@hono/zod-openapi";
import { passwordCharactersMax, type PersonView } from "../access/index.ts";

/** A person as the API shows it. */
export const personSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    email: z.string().optional(),
    role: z.string(),
    project: z.string(),
    hasPassword: z
      .boolean()
      .describe("Whether it can sign in with a password; else only with the identity provider."),
    totp: z
      .enum(["off", "waiting", "on"])
      .describe("One-time codes; `waiting`: enrolled, and not confirmed yet."),
    recoveryCodes: z.int().describe("How many are left."),
    provider: z.string().optional().describe("The identity provider it has signed in with."),
    disabledAt: z.iso.datetime().optional(),
    createdAt: z.iso.datetime(),
    lastSignInAt: z.iso.datetime().optional(),
  })
  .openapi("Person");

export const personExample = {
  id: "person_01980f6e-5b8f-7c53-a3c5-6c1f7c1f4b90",
  name: "ada",
  email: "ada@example.com",
  role: "operator",
  project: "*",
  hasPassword: true,
  totp: "on",
  recoveryCodes: 9,
  createdAt: "2026-11-20T08:00:00.000Z",
  lastSignInAt: "2026-11-21T08:00:00.000Z",
};

/** What is typed as a password; whether it is a good one is looked at where it is to be kept. */
export const passwordSchema = z
  .string()
  .min(1)
  .max(passwordCharactersMax * 4);

export function presentedPerson(view: PersonView): z.input<typeof personSchema> {
  const { disabledAt, createdAt, lastSignInAt, ...rest } = view;
  return {
    ...rest,
    ...(disabledAt !== undefined && { disabledAt: iso(disabledAt) }),
    createdAt: iso(createdAt),
    ...(lastSignInAt !== undefined && { lastSignInAt: iso(lastSignInAt) }),
  };
}

export function iso(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
