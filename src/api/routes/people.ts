import { z } from "@hono/zod-openapi";
import type { PersonView, Principal } from "../../access/index.ts";
import { SignalboxError } from "../../foundation/index.ts";
import { passwordSchema, personExample, personSchema, presentedPerson } from "../person-shape.ts";
import type { ApiDeps } from "../ports.ts";
import { projectWanted } from "../reach.ts";
import { route } from "../route.ts";
import type { Answer, AuditedThing, Route, RouteRequest } from "../route.ts";

const name = z
  .string()
  .min(1)
  .max(64)
  .describe("What it signs in with: letters, digits, dots, hyphens and underscores.");
const email = z
  .email()
  .max(254)
  .describe("It can sign in with this too, and is known by it to the identity provider.");
const role = z.string().min(1).max(32).describe("A built-in role or one of your own.");
const project = z.string().min(1).max(32).describe('Whose servers it sees; "*" for all.');

const newPerson = z
  .strictObject({
    name,
    email: email.optional(),
    role,
    project: project
      .optional()
      .describe('Default: that of whoever adds it; "default" where that is of every project.'),
    password: passwordSchema
      .optional()
      .describe("At least 12 characters. Without one only the identity provider lets it in."),
  })
  .openapi("NewPerson");

const change = z
  .strictObject({
    name: name.optional(),
    email: email.nullable().optional(),
    role: role.optional(),
    project: project.optional(),
    disabled: z.boolean().optional(),
  })
  .openapi("PersonChange");

const list: Route = route({
  method: "get",
  path: "/api/people",
  scope: "admin",
  tag: "People",
  summary: "The people of the asker's project",
  answer: {
    status: 200,
    description: "By name.",
    schema: z.object({ people: z.array(personSchema) }),
    example: { people: [personExample] },
  },
  errors: ["STORE_UNAVAILABLE"],
  handle: async ({ principal: { permissions } }, { people }) => {
    const all = await people.directory.list();
    return {
      body: { people: all.filter((one) => permissions.owns(one.project)).map(presentedPerson) },
    };
  },
});

const show: Route = route({
  method: "get",
  path: "/api/people/{id}",
  scope: "admin",
  tag: "People",
  summary: "One person",
  answer: { status: 200, description: "It.", schema: personSchema, example: personExample },
  errors: ["PERSON_NOT_FOUND", "STORE_UNAVAILABLE"],
  handle: async (request, deps) => ({ body: presentedPerson(await personSeen(request, deps)) }),
});

const create: Route = route({
  method: "post",
  path: "/api/people",
  scope: "admin",
  tag: "People",
  summary: "Add a person",
  body: newPerson,
  bodyExample: { name: "ada", role: "operator", password: "four random words here" },
  answer: { status: 201, description: "Added.", schema: personSchema, example: personExample },
  errors: [
    "NAME_INVALID",
    "NAME_TAKEN",
    "PASSWORD_WEAK",
    "ROLE_NOT_FOUND",
    "PROJECT_NOT_FOUND",
    "SIGN_IN_BUSY",
    "STORE_UNAVAILABLE",
  ],
  audit: {
    action: "person.create",
    target: (_, answer) => madeIn(answer) && `person:${madeIn(answer) ?? ""}`,
    state: (_, deps, answer) => thing(madeIn(answer), deps),
    details: ({ body }) => ({ name: body.name, role: body.role }),
  },
  handle: async ({ body, principal }, { people }) => {
    requireUnlimited(principal);
    const wanted = { ...body, project: projectWanted(principal, body.project) };
    return { status: 201, body: presentedPerson(await people.directory.add(wanted)) };
  },
});

const errors = ["PERSON_NOT_FOUND", "STORE_UNAVAILABLE"] as const;
const audited = {
  target: ({ params }: Pick<Asked, "params">) => `person:${params["id"] ?? ""}`,
  state: ({ params }: Pick<Asked, "params">, deps: ApiDeps) => thing(params["id"], deps),
};

const update: Route = route({
  method: "put",
  path: "/api/people/{id}",
  scope: "admin",
  tag: "People",
  summary: "Change a person",
  description:
    "What is left out stays. Whoever gets another role or project, or is disabled, is signed out everywhere within a second.",
  body: change,
  bodyExample: { disabled: true },
  answer: { status: 200, description: "Changed.", schema: personSchema, example: personExample },
  errors: [...errors, "NAME_INVALID", "NAME_TAKEN", "ROLE_NOT_FOUND", "PROJECT_NOT_FOUND"],
  audit: { action: "person.update", ...audited },
  handle: async (request, deps) => {
    const { body, principal } = request;
    const { id } = await personToChange(request, deps);
    if (body.project !== undefined) projectWanted(principal, body.project);
    return { body: presentedPerson(await deps.people.directory.update(id, body)) };
  },
});

const remove: Route = route({
  method: "delete",
  path: "/api/people/{id}",
  scope: "admin",
  tag: "People",
  summary: "Remove a person, who is signed out everywhere",
  answer: {
    status: 200,
    description: "Removed.",
    schema: z.object({ removed: z.literal(true) }),
    example: { removed: true },
  },
  errors,
  audit: { action: "person.delete", ...audited },
  handle: async (request, deps) => {
    const { id } = await personToChange(request, deps);
    await deps.people.directory.remove(id);
    return { body: { removed: true } };
  },
});

const resetPassword: Route = route({
  method: "post",
  path: "/api/people/{id}/password",
  scope: "admin",
  tag: "People",
  summary: "Give a person another password and sign it out everywhere",
  body: z.strictObject({ password: passwordSchema }),
  bodyExample: { password: "four other random words" },
  answer: { status: 200, description: "Done.", schema: personSchema, example: personExample },
  errors: [...errors, "PASSWORD_WEAK", "SIGN_IN_BUSY"],
  audit: { action: "person.reset_password", target: audited.target },
  handle: async (request, deps) => {
    const { id } = await personToChange(request, deps);
    const { directory } = deps.people;
    return { body: presentedPerson(await directory.resetPassword(id, request.body.password)) };
  },
});

const resetTotp: Route = route({
  method: "delete",
  path: "/api/people/{id}/totp",
  scope: "admin",
  tag: "People",
  summary: "Turn a person's one-time codes off and sign it out everywhere",
  description: "For who has lost the device and the recovery codes.",
  answer: { status: 200, description: "Done.", schema: personSchema, example: personExample },
  errors,
  audit: { action: "person.reset_totp", ...audited },
  handle: async (request, deps) => {
    const { id } = await personToChange(request, deps);
    return { body: presentedPerson(await deps.people.directory.resetTotp(id)) };
  },
});

/** `/api/people`. */
export const peopleRoutes: readonly Route[] = [
  list,
  create,
  show,
  update,
  remove,
  resetPassword,
  resetTotp,
];

type Asked = Pick<RouteRequest<unknown, unknown>, "params" | "principal" | "hid">;

/** The person the path names. Throws PERSON_NOT_FOUND. */
async function personSeen(
  { params, principal, hid }: Asked,
  { people }: ApiDeps,
): Promise<PersonView> {
  const id = params["id"] ?? "";
  const person = await people.directory.get(id);
  if (principal.permissions.owns(person.project)) return person;
  hid(`person:${id.slice(0, 64)}`, "PERSON_NOT_FOUND");
  throw new SignalboxError("PERSON_NOT_FOUND", "There is no person with this id.");
}

async function personToChange(request: Asked, deps: ApiDeps): Promise<PersonView> {
  requireUnlimited(request.principal);
  return await personSeen(request, deps);
}

// Whoever is limited, by rules or to bundles, would lift the limit by signing in as somebody who is not.
function requireUnlimited({ permissions, bundles }: Principal): void {
  if (permissions.allowsEveryUse && bundles === "all") return;
  throw new SignalboxError(
    "FORBIDDEN",
    "A key whose own permissions are limited, by rules or to bundles, may not change people.",
  );
}

const made = z.object({ id: z.string() });

function madeIn(answer: Answer | undefined): string | undefined {
  return made.safeParse(answer?.body).data?.id;
}

async function thing(
  id: string | undefined,
  { people }: ApiDeps,
): Promise<AuditedThing | undefined> {
  if (id === undefined) return undefined;
  const person = await people.directory.get(id);
  return { project: person.project, shown: presentedPerson(person) };
}
