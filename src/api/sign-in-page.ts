// Where people sign in: plain forms, so that they work without a script. What was typed is never shown again but for the name.
import { escaped } from "./html.ts";
import { plainPage } from "./plain-page.ts";

export interface SignInView {
  /** What the form must send back, so that no other site can send it. */
  readonly formToken: string;
  /** Where to go afterwards: a path of the gateway. */
  readonly returnTo: string;
  readonly name?: string | undefined;
  /** What went wrong before. */
  readonly problem?: string | undefined;
  /** How the identity provider is called; absent where there is none. */
  readonly provider?: string | undefined;
}

/** The name and the password, or the identity provider. */
export function signInPage({ formToken, returnTo, name, problem, provider }: SignInView): string {
  const target = `/auth/oidc/start?return_to=${encodeURIComponent(returnTo)}`;
  return plainPage(
    "Sign in",
    `${alert(problem)}<form method="post" action="/sign-in">
${hidden({ form_token: formToken, return_to: returnTo })}
<label for="name">Name or e-mail address</label>
<input id="name" name="name" value="${escaped(name ?? "")}" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="254" required>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button class="go" type="submit">Sign in</button>
</form>
${provider === undefined ? "" : `<h2>Or</h2><p><a class="go" href="${escaped(target)}">Sign in with ${escaped(provider)}</a></p>`}
<p><a href="/">Start page</a></p>`,
  );
}

/** The code, after the password was right. */
export function signInCodePage(view: SignInView & { readonly ticket: string }): string {
  return plainPage(
    "Sign in",
    `${alert(view.problem)}<p class="lead">The password is right. One more step.</p>
<form method="post" action="/sign-in">
${hidden({ form_token: view.formToken, return_to: view.returnTo, ticket: view.ticket })}
<label for="code">Code</label>
<input id="code" name="code" autocomplete="one-time-code" autocapitalize="none" spellcheck="false" minlength="6" maxlength="32" aria-describedby="hint" required>
<p class="hint" id="hint">The six digits that your authenticator shows, or one of your recovery codes.</p>
<button class="go" type="submit">Sign in</button>
</form>
<p><a href="/sign-in">Begin again</a></p>`,
  );
}

/** Why nobody was signed in. */
export function signInFailedPage(message: string, remedy: string): string {
  return plainPage(
    "Not signed in",
    `${alert(message)}<p>${escaped(remedy)}</p><p><a class="go" href="/sign-in">Sign in</a></p>`,
  );
}

/** With which the token of a form is sent, and read. */
export function hidden(fields: Readonly<Record<string, string>>): string {
  return Object.entries(fields)
    .map(([name, value]) => `<input type="hidden" name="${name}" value="${escaped(value)}">`)
    .join("\n");
}

function alert(problem: string | undefined): string {
  return problem === undefined ? "" : `<p class="warn" role="alert">${escaped(problem)}</p>\n`;
}
