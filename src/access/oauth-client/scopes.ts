/** Which scopes are asked for: what the server's challenge names, else the operator's, else all that the server knows. */
export function wantedScopes(sources: {
  challenged: readonly string[];
  /** The operator's, who may know better than the server's list. */
  configured: readonly string[] | undefined;
  supported: readonly string[] | undefined;
  /** Those of the connection there is: a step up must not lose what was granted before. */
  before: readonly string[];
  /** What the authorization server says it knows; asked for refresh tokens only where it does. */
  ofAuthorizationServer: readonly string[] | undefined;
}): string[] {
  const { challenged, configured, supported, before, ofAuthorizationServer } = sources;
  const own = configured ?? (challenged.length > 0 ? [] : (supported ?? []));
  const wanted = new Set([...before, ...own, ...challenged]);
  const mayStay = ofAuthorizationServer?.includes(OFFLINE) === true;
  if (mayStay && wanted.size > 0) wanted.add(OFFLINE);
  return [...wanted];
}

export const OFFLINE = "offline_access";
