import { z } from "@hono/zod-openapi";
import { oidcFlowMs, returnPath } from "../../access/index.ts";
import {
  SignalboxError,
  errorTable,
  isSignalboxError,
  randomToken,
  type ErrorCode,
} from "../../foundation/index.ts";
import { cookieName, cookieNamed, needsHttps, setCookie } from "../cookies.ts";
import { formToken, isFormToken } from "../form-token.ts";
import { passwordSchema } from "../person-shape.ts";
import type { ApiDeps } from "../ports.ts";
import { plainPageHeaders } from "../plain-page.ts";
import { route } from "../route.ts";
import type { Answer, Route, RouteRequest } from "../route.ts";
import { requireSameOrigin, siteHeaders, wrongForm } from "../same-site.ts";
import { sessionTokenOf } from "../session-cookie.ts";
import { signInCodePage, signInFailedPage, signInPage, type SignInView } from "../sign-in-page.ts";
import { clearedCookie, fromOf, openedCookie } from "./account.ts";

type Asked = RouteRequest<unknown, unknown>;

const html = "text/html; charset=utf-8";
const returnTo = z.string().max(500).optional().describe("A path of this gateway.");

const show: Route = route({
  method: "get",
  path: "/sign-in",
  scope: "public",
  tag: "Sign-in",
  summary: "The page on which people sign in",
  query: z.object({ return_to: returnTo }),
  answer: { status: 200, description: "The page.", contentType: html },
  handle: (request, deps) => {
    const secret = randomToken(FORM_BYTES);
    const view = viewOf(deps, { secret, returnTo: request.query.return_to });
    return page(signInPage(view), 200, [formCookie(secret, request, deps)]);
  },
});

const field = z.string().max(4096);
const form = z.strictObject({
  form_token: field,
  return_to: field.optional(),
  name: z.string().max(254).optional(),
  password: passwordSchema.optional(),
  ticket: field.optional(),
  code: z.string().max(64).optional(),
});

const send: Route = route({
  method: "post",
  path: "/sign-in",
  scope: "public",
  tag: "Sign-in",
  summary: "Sign in, as the page's form has it",
  body: form,
  isForm: true,
  answer: { status: 303, description: "Signed in: to the page that was asked for." },
  otherAnswers: [
    { status: 200, description: "The page that asks for the code.", contentType: html },
  ],
  errors: [
    "SIGN_IN_FAILED",
    "AUTH_LOCKED",
    "SIGN_IN_BUSY",
    "CROSS_SITE_REFUSED",
    "STORE_UNAVAILABLE",
  ],
  handle: (request, deps) =>
    asPage(async () => {
      const { body } = request;
      const secret = formSecretOf(request, deps);
      requireOwnForm(request, body.form_token, secret, deps);
      const view = viewOf(deps, {
        secret: secret ?? "",
        returnTo: body.return_to,
        name: body.name,
      });
      return await signedIn(request, body, view, deps);
    }),
});

async function signedIn(
  request: Asked,
  { name = "", password = "", ticket, code = "" }: z.output<typeof form>,
  view: SignInView,
  deps: ApiDeps,
): Promise<Answer> {
  const { signIn } = deps.people;
  const from = fromOf(request, "/sign-in");
  try {
    const step =
      ticket === undefined
        ? await signIn.withPassword({ name, password }, from)
        : { signedIn: true as const, opened: await signIn.withCode({ ticket, code }, from) };
    if (!step.signedIn) return page(signInCodePage({ ...view, ticket: step.ticket }));
    return redirect(view.returnTo, [openedCookie(step.opened, request, deps)]);
  } catch (error) {
    if (!isSignalboxError(error) || !TRY_AGAIN.has(error.code)) throw error;
    const problem = error.message;
    const again = ticket !== undefined && error.details?.["reason"] === "code";
    return page(
      again ? signInCodePage({ ...view, ticket, problem }) : signInPage({ ...view, problem }),
      error.status,
      [],
      error.headers,
    );
  }
}

const TRY_AGAIN: ReadonlySet<ErrorCode> = new Set([
  "SIGN_IN_FAILED",
  "AUTH_LOCKED",
  "SIGN_IN_BUSY",
]);

const signOut: Route = route({
  method: "post",
  path: "/sign-out",
  scope: "public",
  tag: "Sign-in",
  summary: "End the session, as the start page's form has it",
  body: z.strictObject({ form_token: field }),
  isForm: true,
  answer: { status: 303, description: "To the start page." },
  errors: ["CROSS_SITE_REFUSED", "STORE_UNAVAILABLE"],
  handle: (request, deps) =>
    asPage(async () => {
      const { people, audit } = deps;
      const token = presentedSession(request, deps);
      requireOwnForm(request, request.body.form_token, token, deps);
      const found = token === undefined ? undefined : await people.sessions.find(token);
      if (token !== undefined && found !== undefined) {
        await people.sessions.end(token);
        const { id, name, project } = found.person;
        const { address, requestId } = request;
        audit?.({
          action: "person.sign_out",
          actor: { id, name, kind: "person" },
          target: `person:${id}`,
          project,
          outcome: "ok",
          requestId,
          ...(address !== undefined && { address }),
        });
      }
      return redirect("/", [clearedCookie(request, deps)]);
    }),
});

const begin: Route = route({
  method: "get",
  path: "/auth/oidc/start",
  scope: "public",
  tag: "Sign-in",
  summary: "On to the identity provider",
  query: z.object({ return_to: returnTo }),
  answer: { status: 303, description: "To the identity provider." },
  errors: ["NOT_FOUND", "OIDC_FAILED", "ENCRYPTION_KEY_MISSING"],
  handle: (request, deps) =>
    asPage(async () => {
      const { url, cookie } = await providerOf(deps).begin(request.query.return_to);
      const secure = isSecure(request, deps);
      return redirect(url, [setCookie(FLOW, cookie, { secure, maxAgeMs: oidcFlowMs })]);
    }),
});

const back: Route = route({
  method: "get",
  path: "/auth/oidc/callback",
  scope: "public",
  tag: "Sign-in",
  summary: "Back from the identity provider",
  query: z.looseObject({}),
  answer: { status: 303, description: "Signed in: to the page that was asked for." },
  errors: ["NOT_FOUND", "SIGN_IN_FAILED", "OIDC_FAILED", "STORE_UNAVAILABLE"],
  handle: (request, deps) =>
    asPage(async () => {
      const secure = isSecure(request, deps);
      const cookie = cookieNamed(request.headers.get("cookie"), cookieName(FLOW, secure));
      const answer = new URLSearchParams();
      for (const [name, value] of Object.entries(request.query)) answer.set(name, String(value));
      const from = fromOf(request, "/auth/oidc/callback");
      const { opened, returnTo: next } = await providerOf(deps).finish(answer, cookie, from);
      return redirect(next, [
        openedCookie(opened, request, deps),
        setCookie(FLOW, "", { secure, maxAgeMs: 0 }),
      ]);
    }),
});

/** The pages on which people sign in and out. */
export const signInRoutes: readonly Route[] = [show, send, signOut, begin, back];

/** The token of the session a page was asked with. */
export function presentedSession({ headers }: Asked, { people }: ApiDeps): string | undefined {
  const presented = {
    cookie: headers.get("cookie") ?? undefined,
    host: headers.get("host") ?? undefined,
  };
  return sessionTokenOf(presented, people.publicUrl());
}

const FORM = "signalbox-form";
const FORM_BYTES = 16;
const FORM_MS = 3_600_000;
const FLOW = "signalbox-oidc";

function viewOf(
  { people }: ApiDeps,
  given: { secret: string; returnTo: string | undefined; name?: string | undefined },
): SignInView {
  return {
    formToken: formToken(given.secret),
    returnTo: returnPath(given.returnTo),
    name: given.name,
    provider: people.oidc?.title,
  };
}

function requireOwnForm(
  { headers }: Asked,
  token: string,
  secret: string | undefined,
  { people }: ApiDeps,
): void {
  requireSameOrigin(siteHeaders(headers), people.publicUrl());
  if (!isFormToken(token, secret)) throw wrongForm();
}

function formSecretOf(request: Asked, deps: ApiDeps): string | undefined {
  const name = cookieName(FORM, isSecure(request, deps));
  return cookieNamed(request.headers.get("cookie"), name);
}

function formCookie(secret: string, request: Asked, deps: ApiDeps): string {
  return setCookie(FORM, secret, { secure: isSecure(request, deps), maxAgeMs: FORM_MS });
}

function isSecure({ headers }: Asked, { people }: ApiDeps): boolean {
  return needsHttps(headers.get("host"), people.publicUrl());
}

function providerOf({ people: { oidc } }: ApiDeps): NonNullable<ApiDeps["people"]["oidc"]> {
  if (oidc !== undefined) return oidc;
  throw new SignalboxError("NOT_FOUND", "No identity provider is configured (`auth.oidc`).");
}

// People look at these, so what fails is a page, too.
async function asPage(make: () => Promise<Answer>): Promise<Answer> {
  try {
    return await make();
  } catch (error) {
    if (!isSignalboxError(error)) throw error;
    const text = signInFailedPage(error.message, errorTable[error.code].remedy);
    return page(text, error.status, [], error.headers);
  }
}

function page(
  text: string,
  status = 200,
  cookies: readonly string[] = [],
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return { status, text, contentType: html, cookies, headers: { ...plainPageHeaders, ...headers } };
}

function redirect(location: string, cookies: readonly string[]): Answer {
  return {
    status: 303,
    text: "",
    contentType: "text/plain",
    cookies,
    headers: { Location: location },
  };
}
