import { z } from "@hono/zod-openapi";
import type { OpenedSession, RequestFrom } from "../../access/index.ts";
import { SignalboxError } from "../../foundation/index.ts";
import {
  iso,
  passwordSchema,
  personExample,
  personSchema,
  presentedPerson,
} from "../person-shape.ts";
import type { ApiDeps } from "../ports.ts";
import { route } from "../route.ts";
import type { Route, RouteRequest } from "../route.ts";
import { refuseOtherSites, siteHeaders } from "../same-site.ts";
import { sessionCookie } from "../session-cookie.ts";

type Asked = RouteRequest<unknown, unknown>;

const signedIn = z.object({ signedIn: z.literal(true), expiresAt: z.iso.datetime() });
const codeNeeded = z.object({ signedIn: z.literal(false), ticket: z.string() });
const code = z.string().min(6).max(32).describe("Of the authenticator, or a recovery code.");

const signIn: Route = route({
  method: "post",
  path: "/api/auth/sign-in",
  scope: "public",
  tag: "Sign-in",
  summary: "Sign in with a password, and with a code where one-time codes are on",
  description:
    "Send `name` and `password`. Where the answer has a `ticket`, send it with a `code` within five minutes. The session comes as a cookie.",
  body: z.union([
    z.strictObject({ name: z.string().min(1).max(254), password: passwordSchema }),
    z.strictObject({ ticket: z.string().min(1).max(4096), code }),
  ]),
  bodyExample: { name: "ada", password: "four random words here" },
  answer: {
    status: 200,
    description: "Signed in, or a ticket with which to bring the code.",
    schema: z.union([signedIn, codeNeeded]),
    example: { signedIn: true, expiresAt: "2026-11-27T08:00:00.000Z" },
  },
  errors: [
    "SIGN_IN_FAILED",
    "AUTH_LOCKED",
    "SIGN_IN_BUSY",
    "CROSS_SITE_REFUSED",
    "STORE_UNAVAILABLE",
  ],
  handle: async (request, deps) => {
    const { body, headers } = request;
    refuseOtherSites(siteHeaders(headers), deps.people.publicUrl());
    const from = fromOf(request, "/api/auth/sign-in");
    const step =
      "ticket" in body
        ? { signedIn: true as const, opened: await deps.people.signIn.withCode(body, from) }
        : await deps.people.signIn.withPassword(body, from);
    if (!step.signedIn) return { body: step };
    const { expiresAt } = step.opened;
    return {
      body: { signedIn: true, expiresAt: iso(expiresAt) },
      cookies: [openedCookie(step.opened, request, deps)],
    };
  },
});

const signOut: Route = route({
  method: "post",
  path: "/api/auth/sign-out",
  scope: "own",
  tag: "Sign-in",
  summary: "End the session",
  description: "Here at once, and within a second in other processes.",
  answer: {
    status: 200,
    description: "Ended.",
    schema: z.object({ signedIn: z.literal(false) }),
    example: { signedIn: false },
  },
  errors: ["STORE_UNAVAILABLE"],
  audit: { action: "person.sign_out", target: ownTarget },
  handle: async (request, deps) => {
    const { token } = requireSession(request);
    await deps.people.sessions.end(token);
    return { body: { signedIn: false }, cookies: [clearedCookie(request, deps)] };
  },
});

const me: Route = route({
  method: "get",
  path: "/api/auth/me",
  scope: "own",
  tag: "Sign-in",
  summary: "Who asks, and what it may do",
  answer: {
    status: 200,
    description: "The holder of the key, token or session.",
    schema: z
      .object({
        id: z.string(),
        name: z.string(),
        kind: z.enum(["key", "token", "person", "network", "anonymous"]),
        role: z.string(),
        project: z.string(),
        scopes: z.array(z.string()).describe("What its role opens."),
        expiresAt: z.iso.datetime().optional().describe("When the session or token ends."),
        person: personSchema.optional(),
      })
      .openapi("Me"),
    example: {
      id: personExample.id,
      name: "ada",
      kind: "person",
      role: "operator",
      project: "*",
      scopes: ["own", "call", "read", "operate"],
      expiresAt: "2026-11-27T08:00:00.000Z",
      person: personExample,
    },
  },
  errors: ["STORE_UNAVAILABLE"],
  handle: async ({ principal }, { people }) => {
    const { id, name, kind, role, project, permissions, expiresAt } = principal;
    return {
      body: {
        id,
        name,
        kind,
        role,
        project,
        scopes: [...permissions.scopes],
        ...(expiresAt !== undefined && { expiresAt: iso(expiresAt) }),
        ...(kind === "person" && { person: presentedPerson(await people.directory.get(id)) }),
      },
    };
  },
});

const ownErrors = ["SIGN_IN_FAILED", "SIGN_IN_BUSY", "CONFLICT", "STORE_UNAVAILABLE"] as const;
const personAnswer = {
  status: 200,
  description: "Done.",
  schema: personSchema,
  example: personExample,
};

const password: Route = route({
  method: "post",
  path: "/api/auth/password",
  scope: "own",
  tag: "Sign-in",
  summary: "Change one's own password",
  description: "One's other sessions end.",
  body: z.strictObject({ current: passwordSchema, password: passwordSchema }),
  bodyExample: { current: "four random words here", password: "four other random words" },
  answer: personAnswer,
  errors: [...ownErrors, "PASSWORD_WEAK"],
  audit: { action: "person.change_password", target: ownTarget },
  handle: async (request, { people }) => {
    const { id, token } = requireSession(request);
    const { current, password: next } = request.body;
    const own = { token, from: fromOf(request, "/api/auth/password") };
    return {
      body: presentedPerson(await people.directory.changePassword(id, { current, next }, own)),
    };
  },
});

const enrol: Route = route({
  method: "post",
  path: "/api/auth/totp",
  scope: "own",
  tag: "Sign-in",
  summary: "Begin to enrol an authenticator",
  description: "The answer is the only place where its secret is shown. It counts once confirmed.",
  body: z.strictObject({ password: passwordSchema }),
  bodyExample: { password: "four random words here" },
  answer: {
    status: 200,
    description: "The secret, and the same as an address for a QR code.",
    schema: z.object({ secret: z.string(), uri: z.string() }).openapi("TotpEnrolment"),
    example: {
      secret: "<32 characters, shown once>",
      uri: "otpauth://totp/Signalbox:ada?secret=<32 characters>&issuer=Signalbox&algorithm=SHA1&digits=6&period=30",
    },
  },
  errors: [...ownErrors, "ENCRYPTION_KEY_MISSING"],
  audit: { action: "person.begin_totp", target: ownTarget },
  handle: async (request, { people }) => {
    const { id } = requireSession(request);
    const from = fromOf(request, "/api/auth/totp");
    return { body: await people.directory.beginTotp(id, request.body.password, from) };
  },
});

const recoveryCodes = z.object({ recoveryCodes: z.array(z.string()) }).openapi("RecoveryCodes");
const codesAnswer = {
  status: 200,
  description: "Ten recovery codes, shown here and nowhere else; each works once.",
  schema: recoveryCodes,
  example: { recoveryCodes: ["<16 characters>"] },
};

const confirm: Route = route({
  method: "post",
  path: "/api/auth/totp/confirm",
  scope: "own",
  tag: "Sign-in",
  summary: "Turn one-time codes on, with the first one",
  body: z.strictObject({ code }),
  bodyExample: { code: "123456" },
  answer: codesAnswer,
  errors: ownErrors,
  audit: { action: "person.enable_totp", target: ownTarget },
  handle: async (request, { people }) => {
    const { id } = requireSession(request);
    const from = fromOf(request, "/api/auth/totp/confirm");
    const codes = await people.directory.confirmTotp(id, request.body.code, from);
    return { body: { recoveryCodes: codes } };
  },
});

const disable: Route = route({
  method: "post",
  path: "/api/auth/totp/disable",
  scope: "own",
  tag: "Sign-in",
  summary: "Turn one's own one-time codes off",
  body: z.strictObject({ password: passwordSchema, code }),
  bodyExample: { password: "four random words here", code: "123456" },
  answer: personAnswer,
  errors: ownErrors,
  audit: { action: "person.disable_totp", target: ownTarget },
  handle: async (request, { people }) => {
    const { id } = requireSession(request);
    const from = fromOf(request, "/api/auth/totp/disable");
    return { body: presentedPerson(await people.directory.disableTotp(id, request.body, from)) };
  },
});

const renew: Route = route({
  method: "post",
  path: "/api/auth/recovery-codes",
  scope: "own",
  tag: "Sign-in",
  summary: "Get other recovery codes in place of those that are left",
  body: z.strictObject({ password: passwordSchema }),
  bodyExample: { password: "four random words here" },
  answer: codesAnswer,
  errors: ownErrors,
  audit: { action: "person.renew_recovery_codes", target: ownTarget },
  handle: async (request, { people }) => {
    const { id } = requireSession(request);
    const from = fromOf(request, "/api/auth/recovery-codes");
    const codes = await people.directory.renewRecoveryCodes(id, request.body.password, from);
    return { body: { recoveryCodes: codes } };
  },
});

/** `/api/auth`: signing in and out, and what people change of themselves. */
export const accountRoutes: readonly Route[] = [
  signIn,
  signOut,
  me,
  password,
  enrol,
  confirm,
  disable,
  renew,
];

/** Where a request came from, as it is told. */
export function fromOf({ address, requestId }: Asked, place: string): RequestFrom {
  return { address, requestId, place };
}

/** The cookie of a session that was opened. */
export function openedCookie(
  { token, expiresAt }: OpenedSession,
  { headers }: Asked,
  { people, clock }: ApiDeps,
): string {
  const publicUrl = people.publicUrl();
  return sessionCookie(token, expiresAt - clock.now(), { host: headers.get("host"), publicUrl });
}

/** Takes the session's cookie away. */
export function clearedCookie({ headers }: Asked, { people }: ApiDeps): string {
  return sessionCookie("", 0, { host: headers.get("host"), publicUrl: people.publicUrl() });
}

function ownTarget({ principal }: Asked): string {
  return `person:${principal.id}`;
}

function requireSession({ principal, session }: Asked): { id: string; token: string } {
  if (session !== undefined) return { id: principal.id, token: session };
  throw new SignalboxError("FORBIDDEN", "Only a person who has signed in can do this.", {
    details: { needs: "session" },
  });
}
