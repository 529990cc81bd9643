/** One row of the table: the HTTP status, what happened in one sentence, and what to do about it. */
export interface ErrorEntry {
  readonly status: number;
  readonly summary: string;
  readonly remedy: string;
}

/** Every failure this product raises, by code. Each has a page under docs/errors, made from this table. */
export const errorTable = {
  // Start and configuration
  CONFIG_INVALID: {
    status: 400,
    summary: "The configuration has mistakes, so it was not applied.",
    remedy:
      "Each line of the message names a place (file and line, environment variable or option), the setting and what is wrong with it. Correct them all and start again; `signalbox config print --with-origin` shows what each setting is and where it comes from.",
  },
  CONFIG_UNREADABLE: {
    status: 500,
    summary: "The configuration file could not be read.",
    remedy:
      "Check that the path given by --config or SIGNALBOX_CONFIG exists, is a file, and may be read by the user that runs Signalbox.",
  },
  HOME_LOCKED: {
    status: 409,
    summary: "Another Signalbox already runs on this home folder.",
    remedy:
      "Use the running one (its address is in the message), stop it first, or give this one another folder with --home or SIGNALBOX_HOME.",
  },
  PORT_IN_USE: {
    status: 409,
    summary: "The port to listen on is taken by another process.",
    remedy:
      "Choose another port with PORT or --port (METRICS_PORT for the metrics), or stop the process that holds it. `ss -ltnp` lists who listens where.",
  },
  BIND_REFUSED: {
    status: 403,
    summary: "The address to listen on was refused.",
    remedy:
      "Listening beyond this machine needs authentication: leave `auth.required` on, or set HOST=127.0.0.1. Otherwise check that the address belongs to this machine and that ports below 1024 are permitted to this user.",
  },
  NODE_UNSUPPORTED: {
    status: 500,
    summary: "This version of Node.js is too old to run Signalbox.",
    remedy:
      "Start with `npm start`, which brings the right Node.js along, or install Node.js 24 or newer.",
  },

  // Store
  STORE_UNAVAILABLE: {
    status: 503,
    summary: "The database does not answer.",
    remedy:
      "Calls through the gateway go on meanwhile; changes to servers, bundles and keys need the database. Check that PostgreSQL runs and that DATABASE_URL is right. Signalbox connects again by itself.",
  },
  STORE_PLATFORM: {
    status: 500,
    summary: "There is no embedded PostgreSQL for this machine.",
    remedy:
      "Set DATABASE_URL to a PostgreSQL of version 14 or newer. Where the platform is supported, run `npm install` without `--omit=optional`.",
  },
  STORE_MIGRATION: {
    status: 500,
    summary: "The database could not be brought to this version's tables.",
    remedy:
      "Nothing of the failed step was kept. See the cause in the message: usually the database user lacks the right to create tables, another process holds the migration lock, or the database was written by a newer Signalbox.",
  },
  STORE_START: {
    status: 500,
    summary: "The embedded PostgreSQL did not start.",
    remedy:
      "The end of its own log is in the message. Usual causes: a full disk, a home folder on a file system without locks, or missing rights on the folder. Setting DATABASE_URL uses another PostgreSQL instead.",
  },

  // Access
  KEY_MISSING: {
    status: 401,
    summary: "The request carries no key.",
    remedy:
      "Send `Authorization: Bearer <key>` (or the header X-API-Key). Create a key with `signalbox keys create`; the first one is in admin.key in the home folder.",
  },
  KEY_INVALID: {
    status: 401,
    summary: "The key is not known here.",
    remedy:
      "Check that the whole key was copied and that it belongs to this gateway. Where several key headers are sent they must agree.",
  },
  KEY_EXPIRED: {
    status: 401,
    summary: "The key has expired.",
    remedy: "Create a new key with `signalbox keys create` and give it to the caller.",
  },
  KEY_REVOKED: {
    status: 401,
    summary: "The key was revoked.",
    remedy:
      "Somebody withdrew this key on purpose. Ask the administrator, or create a new one with `signalbox keys create`.",
  },
  TOKEN_INVALID: {
    status: 401,
    summary: "The token is not one that this gateway accepts.",
    remedy:
      "The message says what is wrong with it: its issuer, its algorithm, its signature, or that its time has not come. Get a new token from the issuer that `authorization_servers` of the endpoint's metadata names; the metadata's address stands in the answer's WWW-Authenticate header.",
  },
  TOKEN_EXPIRED: {
    status: 401,
    summary: "The token has expired.",
    remedy:
      "Get a new one with the refresh token or by signing in again; clients do so by themselves. Where it expires too early, compare the clocks of the issuer and of this machine, or raise `clock_skew`.",
  },
  TOKEN_AUDIENCE: {
    status: 401,
    summary: "The token was issued for another resource.",
    remedy:
      "Ask the issuer for a token with `resource` set to the address that the message names: each endpoint has its own. Check `public_url` where the address in the message is not the one that clients use. An issuer that cannot name resources needs `audiences` in its settings.",
  },
  TOKEN_SCOPE: {
    status: 403,
    summary: "The token lacks a scope that this request needs.",
    remedy:
      "Get a token with all the scopes that the WWW-Authenticate header names; clients that can ask for more do so by themselves.",
  },
  CREDENTIAL_MALFORMED: {
    status: 400,
    summary: "The Authorization header cannot be read.",
    remedy:
      "Send one header `Authorization: Bearer <token>`, with one token and nothing behind it.",
  },
  AUTH_LOCKED: {
    status: 429,
    summary: "Too many wrong credentials came from this address.",
    remedy:
      "Wait as long as the Retry-After header says, then send the right one. Credentials that were right before go on working meanwhile. When a client keeps sending an old key, give it a new one; where many callers share an address, name it in `auth.lock_out.shared_addresses`.",
  },
  SESSION_INVALID: {
    status: 401,
    summary: "The session has ended, or never was one.",
    remedy:
      "Sign in again at /sign-in. Sessions end when they are not used for `auth.sessions.idle`, after `auth.sessions.lifetime`, when you sign out, and when your password, role or project changes or you are disabled.",
  },
  SIGN_IN_FAILED: {
    status: 401,
    summary: "The sign-in failed.",
    remedy:
      "Check the name, the password and the code, and the clock of the device that shows the code; each code works once. Whoever has lost the device uses a recovery code, or has an administrator run `signalbox people reset-totp`. With an identity provider, an administrator must have added you with the e-mail address that the provider has verified, unless `auth.oidc.create` is on.",
  },
  SIGN_IN_BUSY: {
    status: 503,
    summary: "Too many passwords are being checked just now.",
    remedy:
      "Try again in a few seconds. When it lasts, somebody is guessing passwords: `signalbox audit list` shows from where.",
  },
  OIDC_FAILED: {
    status: 502,
    summary: "The identity provider could not be asked, or did not answer as it must.",
    remedy:
      "The message says which step failed. Check `auth.oidc.issuer`, `client_id` and `client_secret`, that the provider knows the redirect address `<public_url>/auth/oidc/callback`, and that the gateway reaches the provider.",
  },
  PASSWORD_WEAK: {
    status: 400,
    summary: "The password is too easy to guess.",
    remedy:
      "Take one of at least 12 characters that is neither your name nor one of the usual ones; a few random words or what a password manager makes is best.",
  },
  PERSON_NOT_FOUND: {
    status: 404,
    summary: "There is no such person.",
    remedy: "List the people with `signalbox people list` and check the spelling.",
  },
  CROSS_SITE_REFUSED: {
    status: 403,
    summary: "The request may come from another site in somebody's name.",
    remedy:
      "A request that changes something with a session must come from the gateway's own pages: send `X-Signalbox-Request: 1` from a page of the same origin. Programs use a key instead of a session. When a form says so, open its page again and send it once more.",
  },
  AUTH_UNAVAILABLE: {
    status: 503,
    summary: "The token cannot be checked because its issuer does not answer.",
    remedy:
      "Try again in a moment. The log says which address of the issuer failed; check that it can be reached from this machine. Keys and tokens that were checked before are not affected.",
  },
  TOKENS_OFF: {
    status: 409,
    summary: "This gateway makes no tokens because it has no secret to sign them with.",
    remedy:
      "Set JWT_SECRET to at least 32 random characters, for example from `openssl rand -base64 48`, and start again. Keys need no such secret.",
  },
  FORBIDDEN: {
    status: 403,
    summary: "The key does not permit this.",
    remedy:
      "Use a key with the role or the bundle that the message names, or ask an administrator to create one.",
  },
  ROLE_NOT_FOUND: {
    status: 404,
    summary: "There is no role of this name.",
    remedy: "`signalbox roles` lists the built-in roles and your own.",
  },
  PROJECT_NOT_FOUND: {
    status: 404,
    summary: "There is no project of this name.",
    remedy:
      "`signalbox projects` lists them. A project is made with `signalbox projects create`, or in `[projects.<name>]` of signalbox.toml.",
  },
  RATE_LIMITED: {
    status: 429,
    summary: "More requests came than a limit permits.",
    remedy:
      "Wait as long as `retryAfterMs` in the error's data (or the header Retry-After) says. `signalbox limits` shows what a key may do and what is left of it; an administrator raises it with `signalbox limits set`, or under `[rate_limit]`.",
  },
  QUOTA_EXCEEDED: {
    status: 429,
    summary: "As many calls as permitted were made today or this month.",
    remedy:
      "The error's data says whose quota it is and, in `resetsAt`, when the next period begins. An administrator raises it with `signalbox limits set`, or under `[quotas]`.",
  },
  HOST_REFUSED: {
    status: 403,
    summary: "The request's Host header names an address this gateway does not serve.",
    remedy:
      "Add the name to `allowed_hosts` when clients reach the gateway under it. The check protects local gateways against web pages that rebind their DNS name.",
  },
  ORIGIN_REFUSED: {
    status: 403,
    summary: "The request comes from a web page whose origin is not allowed.",
    remedy:
      "Add the origin, such as https://app.example.com, to `allowed_origins` or ALLOWED_ORIGINS.",
  },
  CONSENT_NEEDED: {
    status: 403,
    summary: "The server asks for a person's consent before it can be used.",
    remedy:
      'Follow the link that came with the answer, or run `signalbox servers login <name>`, and consent. Where all callers share the connection (`oauth.mode` is "gateway"), an operator has to do so once.',
  },
  CONNECT_LINK_INVALID: {
    status: 410,
    summary: "The link for connecting to a server cannot be used.",
    remedy:
      "Links hold for ten minutes, work once, and only in the browser they were opened in. Make a new one: call the tool again, or run `signalbox servers login <name>`.",
  },
  OAUTH_FAILED: {
    status: 502,
    summary: "An authorization server gave no tokens for a server.",
    remedy:
      "The message says what it refused, or what is missing in what it publishes. Check the server's `oauth` options: `issuer`, `client_id`, `client_secret` or `private_key`, and the redirect URI that was registered.",
  },
  OUTBOUND_REFUSED: {
    status: 502,
    summary: "The gateway does not go where somebody else told it to.",
    remedy:
      "Addresses that servers name must be https and public. Where the address is one of your own, such as an authorization server in your network or on this machine, name it in `outbound.allow`.",
  },
  OUTBOUND_FAILED: {
    status: 502,
    summary: "An address that a server named could not be fetched.",
    remedy:
      "The message says why: the name is unknown, nothing answers, the certificate is not trusted, it took longer than `outbound.timeout`, or the answer is larger than `outbound.response_bytes_max`.",
  },

  // Secrets
  SECRET_WEAK: {
    status: 400,
    summary: "A secret of the gateway is a placeholder or too weak, so it does not start.",
    remedy:
      "Each line of the message names a secret, where it comes from, what is wrong with it, and the command that makes a good one. Replace them all and start again; docs/secrets.md has the rules.",
  },
  SECRET_EXPOSED: {
    status: 500,
    summary: "Other users of this machine can read a file that holds a secret of the gateway.",
    remedy:
      "The file is not the gateway's own, so it cannot close it: give it to the user that runs Signalbox (`chown`) and take the rights of the others away (`chmod 600`). Treat what it held as known to others, and replace it.",
  },
  SECRET_MISSING: {
    status: 503,
    summary: "A server's configuration refers to a secret, variable or file that cannot be used.",
    remedy:
      "The message names the reference. Store the secret with `signalbox secrets set <name>`, set the variable in the gateway's environment, or make the file readable by the gateway alone; the server is then opened by itself. The other servers are not affected.",
  },
  SECRET_UNREADABLE: {
    status: 500,
    summary: "A sealed value cannot be opened.",
    remedy:
      "It was sealed with a key that is not configured here, or it was altered or moved to another row. Add the earlier key to MCP_ENCRYPTION_KEY_PREVIOUS, or store the value again.",
  },
  ENCRYPTION_KEY_MISSING: {
    status: 503,
    summary: "There is no encryption key, so nothing can be sealed or opened.",
    remedy:
      "Make one with `openssl rand -base64 32` and give it to every gateway of this database as MCP_ENCRYPTION_KEY. With the embedded database one is made by itself.",
  },

  // Requests
  NOT_FOUND: {
    status: 404,
    summary: "There is nothing at this address or of this name.",
    remedy:
      "Check the path and the name in it; /openapi.json lists all addresses. Where a service's tool says so, its tools that list tell what there is.",
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    summary: "The address exists but does not take this HTTP method.",
    remedy: "Use a method named in the response's Allow header.",
  },
  BODY_INVALID: {
    status: 400,
    summary: "The request does not have the expected form.",
    remedy: "The message names each wrong field. /openapi.json describes what is expected.",
  },
  ARGUMENTS_INVALID: {
    status: 400,
    summary: "The arguments of a tool lack something that is needed, or do not go together.",
    remedy:
      "The message names the argument, and what it takes. Where it says so, a setting of the service stands in for an argument that a call leaves out: docs/services.md lists them.",
  },
  NAME_AMBIGUOUS: {
    status: 409,
    summary: "Several things have the name that was given.",
    remedy: "Give the id of the one that is meant; the message lists them.",
  },
  NOT_POSSIBLE: {
    status: 409,
    summary: "What was named is not in a state in which this can be done to it.",
    remedy:
      "The message says which state it is in, or which tool tells. Wait until the state has changed, or choose another one.",
  },
  NOT_SUPPORTED: {
    status: 501,
    summary: "What stands behind the service has no such function.",
    remedy:
      "The message says what lacks it: often a server of one's own does less than the vendor's, or needs no such call. Leave the call out, or connect the service to one that has the function.",
  },
  BODY_TOO_LARGE: {
    status: 413,
    summary: "The request is larger than this gateway accepts.",
    remedy:
      "Send less, or raise `limits.body_bytes_max`, `limits.json_depth_max` or `limits.json_elements_max`, whichever the message names.",
  },
  CONTENT_TYPE: {
    status: 415,
    summary: "The request's content type is not accepted here.",
    remedy: "Send JSON with the header `Content-Type: application/json`.",
  },
  NAME_INVALID: {
    status: 400,
    summary: "The name has characters or a length that are not allowed.",
    remedy:
      "Use 1 to 32 small letters, digits, hyphens and single underscores, beginning with a letter or a digit.",
  },
  NAME_TAKEN: {
    status: 409,
    summary: "Something of this name exists already.",
    remedy: "Choose another name, or change or remove the existing one.",
  },
  CONFLICT: {
    status: 409,
    summary: "The change contradicts what is there.",
    remedy:
      "The message says what stands against it. What is defined in signalbox.toml is changed in that file; it is read again at once.",
  },

  // Upstream servers
  SERVER_NOT_FOUND: {
    status: 404,
    summary: "No server of this name is configured.",
    remedy: "`signalbox servers` lists the names; `signalbox servers add` adds one.",
  },
  SERVER_UNREACHABLE: {
    status: 502,
    summary: "The server could not be reached.",
    remedy:
      "Check that it runs and that its address is right; `signalbox servers test <name>` tries it and shows each step. The other servers are not affected.",
  },
  SERVER_TIMEOUT: {
    status: 504,
    summary: "The server did not answer in time.",
    remedy:
      "Look at the server's own log for what it is doing. When the work does take this long, raise the server's `timeout`, or have the server report progress.",
  },
  SERVER_UNAUTHORIZED: {
    status: 502,
    summary: "The server refused the gateway's credentials.",
    remedy:
      "Check the `headers` or `env` configured for this server: the token in it may be missing, expired or lack a right. The caller's own key is never sent to servers.",
  },
  SERVER_CRASHED: {
    status: 502,
    summary: "The server's process ended unexpectedly.",
    remedy:
      "`signalbox servers logs <name>` shows what it wrote last. Often the command is misspelt, a package is missing, or an environment variable it needs is not set under `env`.",
  },
  SERVER_GARBAGE: {
    status: 502,
    summary: "The server answered something that is not the protocol.",
    remedy:
      "Check that the address is an MCP endpoint and not a web page. A local server must write only protocol messages to its standard output and log to standard error.",
  },
  SERVER_TOO_LARGE: {
    status: 502,
    summary: "The server's answer is larger than permitted.",
    remedy:
      "Ask for less, or raise the limit that the message names: `limits.response_bytes_max` or the server's `response_bytes_max` for one answer, `limits.held_bytes_max` for all that are held at once. In the latter case it may also help to try again.",
  },
  SERVER_CLOSED: {
    status: 502,
    summary: "The connection to the server ended before the answer was complete.",
    remedy:
      "Try again: the gateway connects anew. When it happens again, look at `signalbox servers logs <name>` and at proxies between the two that cut idle connections.",
  },
  SERVER_REFUSED: {
    status: 502,
    summary: "The server rejected the request as such.",
    remedy:
      "The message carries the server's own words. Check that it speaks the revision configured by `protocol_era`, or leave that setting out.",
  },
  SERVER_DISABLED: {
    status: 503,
    summary: "The server is switched off, or all its endpoints are out of service.",
    remedy:
      "Set `enabled = true` in its options, or leave that out, where it is switched off. `signalbox servers show` tells which endpoints are draining; `signalbox servers resume` takes one back.",
  },
  SERVICE_NOT_CONFIGURED: {
    status: 503,
    summary: "The service has no credentials, so it is not served.",
    remedy:
      "The message names what it needs. Set the variables in the gateway's environment (or in `.env`) and start it again, or write the settings under `[services.<name>]` of signalbox.toml, which is read again at once. docs/services.md lists them.",
  },
  VENDOR_UNAVAILABLE: {
    status: 502,
    summary: "What stands behind a service failed in a way that may pass.",
    remedy:
      "Try again later. A request that only reads, or that the vendor takes once however often it comes, was repeated already; another may have been done, so look before you repeat it.",
  },
  VENDOR_UNREACHABLE: {
    status: 502,
    summary: "What stands behind a service could not be reached, or the connection broke.",
    remedy:
      "Check the address in the service's settings, the network and the vendor's status page; `signalbox servers show` tells what the service last said of itself.",
  },
  VENDOR_TIMEOUT: {
    status: 504,
    summary: "What stands behind a service did not answer in time.",
    remedy:
      "Ask for less, or raise the `timeout` in the service's settings. A request that changes something may have been done: look before you repeat it.",
  },
  VENDOR_THROTTLED: {
    status: 429,
    summary: "The vendor asks for fewer requests, or its limit is used up.",
    remedy:
      "Wait as long as `retryAfterMs` of the answer says. `signalbox servers show` tells what is left of the vendor's limits; a larger plan or another key may be the way.",
  },
  VENDOR_REFUSED: {
    status: 502,
    summary: "The vendor refused what was asked.",
    remedy:
      "The message has the vendor's own words. Usual causes: a key that is wrong, expired or lacks a right, a name that does not exist, or a value that it does not take.",
  },
  VENDOR_AUTH: {
    status: 502,
    summary: "The vendor does not accept the service's credentials, or they lack a right.",
    remedy:
      "The message says what is wrong or which right is missing. Make a key or token that has it and give it to the service in its setting; docs/services.md names the settings and the rights.",
  },
  VENDOR_ANSWER: {
    status: 502,
    summary: "The vendor answered something that the service does not know, or too much.",
    remedy:
      "Ask for less where the answer was too large. Where its form is not known the vendor has changed its API: a newer version of Signalbox may know it.",
  },
  SQL_REFUSED: {
    status: 400,
    summary: "The statement is not run, since it could do more than it may.",
    remedy:
      "The message says why. `query` and `explain` take one statement that only reads; docs/services/postgres.md has the rules and how an operator allows a function.",
  },
  SQL_INVALID: {
    status: 400,
    summary: "The statement is no SQL that PostgreSQL understands.",
    remedy: "The message has the parser's own words. Correct the statement.",
  },
  SQL_FAILED: {
    status: 400,
    summary: "The database refused the statement.",
    remedy:
      "The message has PostgreSQL's own words, and `sqlState` its code. `describe_table` tells the columns and types there are.",
  },
  SQL_TIMEOUT: {
    status: 504,
    summary: "The statement took longer than it may and was ended.",
    remedy:
      "Ask for less, or see with `explain` why it is slow. An operator can raise `query_timeout` under [services.postgres].",
  },
  SQL_CONFLICT: {
    status: 409,
    summary: "The statement collided with others, again and again.",
    remedy: "Nothing of it was kept. Try again; change fewer rows in one transaction.",
  },
  SQL_UNREACHABLE: {
    status: 502,
    summary: "The database of a service cannot be reached, or does not let the gateway in.",
    remedy:
      "The gateway's log says why: the address, the password, the number of connections it permits, or its certificate. The gateway connects again by itself.",
  },
  SQL_CONTROL: {
    status: 400,
    summary: "The statement controls a transaction, and the call is one already.",
    remedy:
      "Leave BEGIN, COMMIT, ROLLBACK and the like out: the statements of a call are kept all together or not at all.",
  },
  SQL_LOGIN: {
    status: 502,
    summary: "The database does not accept the role or its password.",
    remedy:
      "Where the password was set anew, it was asked for once more already. Check the role, and the address in the service's settings where that has the password in it.",
  },
  SQL_READ_ONLY: {
    status: 403,
    summary: "The database is only for reading here.",
    remedy:
      "An operator can open it for writing: POSTGRES_<NAME>_WRITES=true, or `writes = true` under [services.postgres.databases.<name>]. A role of the database's own that may only do what is meant is the better wall.",
  },
  SQL_TOO_LARGE: {
    status: 413,
    summary: "The answer of the database is larger than may be read at once.",
    remedy:
      "Select fewer or shorter columns, or fewer rows. An operator can raise `bytes_max` under [services.postgres].",
  },
  SERVER_THROTTLED: {
    status: 503,
    summary: "The server asks for fewer calls.",
    remedy:
      "Wait as long as `retryAfterMs` in the error's data says, or call less often. Whoever runs the server may raise its limit; the `bulkhead` of the server's options lowers what the gateway sends at once.",
  },
  SERVER_BUSY: {
    status: 503,
    summary: "As many calls as permitted are running and waiting for this server.",
    remedy:
      "Try again in a moment. `signalbox servers show` tells how many calls run and wait; `bulkhead.concurrency` and `bulkhead.queue` of the server's options set how many may.",
  },
  SERVER_CRASH_LOOP: {
    status: 503,
    summary: "The server's process ends again and again soon after its start.",
    remedy:
      "Read why in its standard error with `signalbox servers logs`. Where the command, its arguments or its environment are at fault, change them: a changed server is started at once. Where something else was, it is started again within half a minute by itself.",
  },
  BREAKER_OPEN: {
    status: 503,
    summary: "Calls to this server or tool are stopped for a while because it kept failing.",
    remedy:
      "A single call is let through as a trial when the time in `retryAfterMs` is over, and success opens the way again. `signalbox servers show` tells what failed; an operator can close the breaker by hand.",
  },
  PROCESS_LIMIT: {
    status: 503,
    summary: "As many local processes as permitted are running.",
    remedy:
      "Close sessions that are not needed, let several callers share a process (`process.mode`), or raise `process.processes_max` of the server or `limits.processes_total_max`.",
  },
  ENDPOINT_NOT_FOUND: {
    status: 404,
    summary: "The server has no endpoint of this name.",
    remedy: "`signalbox servers show` lists the endpoints of a server.",
  },

  // What only one vendor's service gives
  GITHUB_APP_REFUSED: {
    status: 502,
    summary: "GitHub gave the App no token.",
    remedy:
      "The message has GitHub's own words and what to look at: GITHUB_APP_ID and GITHUB_PRIVATE_KEY belong to one App, GITHUB_INSTALLATION_ID names an installation of it that is not suspended, and this machine's clock is right.",
  },
  GITHUB_KEY_INVALID: {
    status: 400,
    summary: "The private key of the GitHub App cannot be read.",
    remedy:
      "Set GITHUB_PRIVATE_KEY to the whole of the .pem file that GitHub made under the App's settings, line breaks included.",
  },
  GITHUB_MOVED: {
    status: 404,
    summary: "The repository has another owner or name now.",
    remedy:
      "Ask for it by its new owner and name, and change GITHUB_DEFAULT_REPO where that names the old one. Redirects are not followed.",
  },
  GITHUB_DEFAULT_BRANCH: {
    status: 409,
    summary: "The default branch of a repository is not deleted.",
    remedy:
      "Name another branch. Where this one shall go, choose another default branch in the repository's settings first.",
  },
  GITHUB_FILE_CHANGED: {
    status: 409,
    summary: "The file is not the one that the change was made for.",
    remedy:
      "Somebody changed it meanwhile, or it exists already. Read it with `get_file` on the same branch, make the change anew, and give the `sha` that was read.",
  },
  GITHUB_NOT_READABLE: {
    status: 400,
    summary: "What is at the path is not a file that can be read.",
    remedy:
      "It is a submodule or the like, or larger than 1 MB. `get_file` reads files up to that size and lists folders; clone the repository for larger ones.",
  },
  GITHUB_HEAD_MOVED: {
    status: 409,
    summary: "The pull request has other commits than those that were to be merged.",
    remedy: "Look at what was added with `get_pull_request`, and give its new `headSha`.",
  },
  GITHUB_NOT_MERGEABLE: {
    status: 409,
    summary: "GitHub does not merge the pull request as it is.",
    remedy:
      "`get_pull_request` with checks and reviews shows what is in the way (`mergeableState`): conflicts, checks that failed, a review that is missing, or a way to merge that the repository does not permit.",
  },
  CLOUDFLARE_ACCOUNT_NEEDED: {
    status: 400,
    summary: "It is not clear which Cloudflare account is meant.",
    remedy:
      "Set CLOUDFLARE_ACCOUNT_ID: the service's credentials see several accounts, or none. The id stands in the address of the dashboard.",
  },
  CLOUDFLARE_RECORD_EXISTS: {
    status: 409,
    summary: "The zone has such a DNS record already.",
    remedy: "Find it with `dns_list_records`; change it with `dns_update_record`.",
  },
  CLOUDFLARE_RECORD_CONFLICT: {
    status: 409,
    summary: "Another DNS record of this name cannot stand beside the new one.",
    remedy:
      "A CNAME stands alone: it goes with no A, AAAA or other CNAME of its name. Find the record with `dns_list_records` and change it, or delete it first.",
  },
  CLOUDFLARE_NOT_A_VIDEO: {
    status: 400,
    summary: "What is to be uploaded is not a file that Stream takes.",
    remedy: "Give a file of 1 byte to 30 GB; folders and devices are not uploaded.",
  },
  CLOUDFLARE_UPLOAD_NOT_ALLOWED: {
    status: 403,
    summary: "The file is not in a folder from which the gateway may upload.",
    remedy:
      "An operator names the folders in CLOUDFLARE_UPLOAD_DIRS; give the whole path of a file in one of them. `stream_copy_from_url` and `stream_direct_upload` need no file of this machine.",
  },
  CLOUDFLARE_UPLOAD_UNDER_WAY: {
    status: 409,
    summary: "The file is being uploaded already, or as many others as may be at once.",
    remedy: "Try again when that is done.",
  },
  CLOUDFLARE_UPLOAD_STOPPED: {
    status: 502,
    summary: "The upload broke off before its end.",
    remedy:
      "Call `stream_upload` again with the same file: it goes on where it stopped. The message says why it broke off.",
  },
  CLOUDFLARE_UPLOAD_CHANGED: {
    status: 409,
    summary: "The file changed while it was being uploaded.",
    remedy: "Wait until nobody writes to it, and upload it again.",
  },
  N8N_NOT_RUNNABLE: {
    status: 409,
    summary: "There is no way to run the workflow from here.",
    remedy:
      "The message says what is in the way. A workflow runs by a webhook of its own that is live, or by n8n's MCP server: activate it with `activate_workflow`, set `webhook_headers` where its webhook asks for credentials, or set N8N_MCP_TOKEN.",
  },
  N8N_NOT_STARTED: {
    status: 502,
    summary: "The workflow was not started by n8n.",
    remedy:
      "The message has n8n's own words. The workflow must be available in MCP: see its settings in n8n.",
  },
  N8N_WEBHOOK_NOT_LIVE: {
    status: 404,
    summary: "There is no live webhook of this method and path in n8n.",
    remedy:
      "`list_webhooks` tells methods and paths; `activate_workflow` makes those of a workflow live.",
  },
  BRANCH_NOT_READY: {
    status: 504,
    summary: "Neon did not get a branch ready in time.",
    remedy:
      "Try again; when it lasts, see the operations of the project in Neon's console, and its status page.",
  },
  PROJECT_LOCKED: {
    status: 503,
    summary: "Another operation of the Neon project is under way.",
    remedy: "Nothing was done. Try again in a moment.",
  },
  MIGRATION_CHANGED: {
    status: 409,
    summary: "A migration of this id was applied with other statements.",
    remedy:
      "Leave what was applied as it was, and write a new migration, with an id of its own, for what is to be changed.",
  },
  NOTHING_PENDING: {
    status: 409,
    summary: "The database has all of these migrations already.",
    remedy:
      "There is nothing to do. Give the new migration together with those that were applied, under an id of its own.",
  },
  NOT_A_MIGRATION: {
    status: 409,
    summary: "The branch was not made for trying a migration.",
    remedy:
      "Give the branch that `prepare_migration` answered. Other branches are neither applied nor deleted so.",
  },
  NOT_REMEMBERED: {
    status: 502,
    summary: "Mem0 took what was to be remembered, and failed to.",
    remedy: "The message has the id of the event; Mem0's dashboard tells more of it. Try again.",
  },

  // Catalog
  TOOL_NOT_FOUND: {
    status: 404,
    summary: "No tool of this name is offered here.",
    remedy:
      "`signalbox tools` lists the names. A tool also vanishes while its server is missing: `signalbox servers` shows which are, and why.",
  },
  TOOL_QUARANTINED: {
    status: 403,
    summary: "The tool or prompt is held back: its definition is not the one that was approved.",
    remedy:
      "`signalbox pins diff SERVER NAME` shows what changed since it was approved; `signalbox pins approve SERVER NAME` serves it at once, `signalbox pins reject SERVER NAME` keeps it out. It comes back by itself where the server returns to what was approved. `[pins]` says what is held back.",
  },
  PIN_NOT_FOUND: {
    status: 404,
    summary: "No tool or prompt of this name has been seen at that server.",
    remedy:
      "`signalbox pins list` shows what has been seen, with the names as the servers write them; add `--kind prompts` for a prompt.",
  },
  RESOURCE_NOT_FOUND: {
    status: 404,
    summary: "No resource with this address is offered here.",
    remedy: "List the resources again and use an address as it stands in that list.",
  },
  PROMPT_NOT_FOUND: {
    status: 404,
    summary: "No prompt of this name is offered here.",
    remedy: "List the prompts again and use a name as it stands in that list.",
  },
  BUNDLE_NOT_FOUND: {
    status: 404,
    summary: "There is no bundle of this name.",
    remedy: "`signalbox bundles` lists the names; the address is /mcp/<bundle>.",
  },
  BUNDLE_COLLISION: {
    status: 409,
    summary: "Two servers offer the same name in a bundle that drops the prefixes.",
    remedy:
      'Exclude or rename one of the two that the message names, or use `names = "prefixed"` for this bundle.',
  },
  ELICITATION_UNBRIDGED: {
    status: 501,
    summary:
      "The server asked the user a question that cannot be carried to a client of another protocol era.",
    remedy:
      "Use a client of the same era as the server, or pin the server's era with `protocol_era` where it speaks both.",
  },

  // Sessions and the process
  SESSION_NOT_FOUND: {
    status: 404,
    summary: "The session does not exist or has ended.",
    remedy:
      "Initialize again; clients do so by themselves. Sessions end when idle for `limits.session_idle`, and belong to the key that opened them.",
  },
  SESSION_LIMIT: {
    status: 503,
    summary: "Too many sessions or streams are open.",
    remedy:
      "Close some, wait until idle ones end, or raise `limits.sessions_max`, `limits.listens_max` or `limits.processes_max`.",
  },
  ANSWER_LOST: {
    status: 410,
    summary: "The answer was lost with the connection on which it was sent.",
    remedy:
      "The call was carried out, its answer was too large to be kept for a client that comes back. Call again where that does no harm. `limits.session_replay_bytes_max` says how much a session keeps.",
  },
  IMPORT_UNREADABLE: {
    status: 400,
    summary: "The file to import is not a client configuration that is understood.",
    remedy:
      "Give a configuration of Claude Desktop, Claude Code, Cursor, VS Code or the Inspector, or a server.json. The message tells what was expected where.",
  },
  SHUTTING_DOWN: {
    status: 503,
    summary: "The gateway is stopping and takes no new work.",
    remedy: "Try again in a moment, against the restarted gateway or another replica.",
  },
  INTERNAL: {
    status: 500,
    summary: "Something failed that should not have.",
    remedy:
      "This is a fault in Signalbox. The log line with the same requestId holds the cause; please report it with that line.",
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorTable;

/** An error as it stands in an HTTP body: no stack, no cause. */
export interface ErrorBody {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details?: Record<string, unknown>;
  readonly requestId?: string;
}

/** A failure with a code of the table, a sentence for people, and the cause for the log. */
export class SignalboxError extends Error {
  readonly code: ErrorCode;
  readonly details?: Record<string, unknown>;
  /** Headers that an HTTP answer with this error carries: how to authenticate, when to try again. */
  readonly headers?: Readonly<Record<string, string>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: {
      cause?: unknown;
      details?: Record<string, unknown>;
      headers?: Readonly<Record<string, string>>;
    } = {},
  ) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.name = "SignalboxError";
    this.code = code;
    if (options.details !== undefined) this.details = options.details;
    if (options.headers !== undefined) this.headers = options.headers;
  }

  /** The HTTP status that answers a request failing so. */
  get status(): number {
    return errorTable[this.code].status;
  }

  /** What a caller may see, with the id that finds the log line. */
  body(requestId?: string): ErrorBody {
    return {
      code: this.code,
      message: this.message,
      ...(this.details === undefined ? {} : { details: this.details }),
      ...(requestId === undefined ? {} : { requestId }),
    };
  }

  /** As `body()`. It takes no request id, because JSON.stringify calls it with a property name. */
  toJSON(): ErrorBody {
    return this.body();
  }
}

/** True for a failure that carries a code of the table. */
export function isSignalboxError(error: unknown): error is SignalboxError {
  return error instanceof SignalboxError;
}

/** One line, at most 1000 characters, about anything thrown; causes that say more are appended. */
export function messageOf(error: unknown): string {
  const sentence = sentences(error, 0).join(": ");
  const line = sentence.replaceAll(/\s*[\r\n]+\s*/g, " ").trim();
  return line.length > 1000 ? `${line.slice(0, 999)}…` : line;
}

const CAUSES_MAX = 4;

function sentences(error: unknown, depth: number): string[] {
  if (!(error instanceof Error)) return [textOf(error)];
  const own = ownMessage(error);
  if (error.cause === undefined || depth >= CAUSES_MAX) return [own];
  const causes = sentences(error.cause, depth + 1);
  return causes.every((cause) => own.includes(cause)) ? [own] : [own.replace(/\.$/, ""), ...causes];
}

// Node reports a refused connection over two address families as an AggregateError without a message.
function ownMessage(error: Error): string {
  if (error.message !== "") return error.message;
  if (error instanceof AggregateError && error.errors.length > 0) {
    return error.errors.slice(0, CAUSES_MAX).map(messageOf).join("; ");
  }
  const code: unknown = Reflect.get(error, "code");
  return typeof code === "string" ? code : error.name;
}

function textOf(thrown: unknown): string {
  if (typeof thrown === "string") return thrown === "" ? "an empty error" : thrown;
  try {
    return JSON.stringify(thrown) ?? String(thrown);
  } catch {
    return Object.prototype.toString.call(thrown);
  }
}
