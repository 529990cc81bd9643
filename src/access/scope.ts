/**
 * What a route needs: `own` (what concerns the asker alone), `call` tools, `read` the gateway's state, `operate` servers,
 * `manage` (change servers and bundles), `admin` (keys, roles, projects and everything else that exists), `audit` (read the
 * audit trail), `payloads` (see what calls carried).
 */
export const scopes = [
  "own",
  "call",
  "read",
  "operate",
  "manage",
  "admin",
  "audit",
  "payloads",
] as const;

export type Scope = (typeof scopes)[number];
