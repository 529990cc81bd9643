import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { loadConfig, printConfig, problemTextsOf } from "../config.ts";
import type { Config } from "../config.ts";
import { isSignalboxError } from "../foundation/index.ts";
import { isOwnSecret } from "../gateway/index.ts";
import { variables } from "./environment.ts";
import { holdsSecret } from "./own-secrets.ts";
import { schemaAt } from "./schema-node.ts";
import { configSchema } from "./schema.ts";

let cwd = "";
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "config-"));
});
afterEach(() => {
  rmSync(cwd, { recursive: true });
});

interface Given {
  readonly toml?: string;
  readonly dotenv?: string;
  readonly env?: Record<string, string>;
  readonly argv?: readonly string[];
  readonly terminal?: boolean;
}

function load({ toml, dotenv, env = {}, argv = [], terminal = false }: Given): Config {
  if (toml !== undefined) writeFileSync(join(cwd, "signalbox.toml"), toml);
  if (dotenv !== undefined) writeFileSync(join(cwd, ".env"), dotenv);
  return loadConfig({ argv, env, cwd, terminal });
}

function mistakes(given: Given): string[] {
  try {
    load(given);
    return [];
  } catch (error) {
    if (!isSignalboxError(error) || error.code !== "CONFIG_INVALID") throw error;
    return problemTextsOf(error);
  }
}

test("with nothing given everything has its default", () => {
  const { values, origins, warnings } = load({});
  expect(values).toMatchObject({
    profile: "development",
    home: join(cwd, ".signalbox"),
    host: "127.0.0.1",
    port: 8100,
    role: "all",
    metrics: { enabled: true, port: 9090, host: "127.0.0.1" },
    log: { level: "info", format: "json" },
    database: { pool_min: 2, pool_max: 10, idle_timeout: 10_000, query_timeout: 10_000 },
    auth: { required: true },
    limits: { call_timeout: 30_000, call_timeout_max: 600_000, session_idle: 1_800_000 },
    call_log: { enabled: true, arguments: false, queue_max: 10_000, retention: 2_592_000_000 },
    servers: {},
    bundles: {},
  });
  expect(new Set(origins.values())).toEqual(new Set(["default"]));
  expect(warnings).toEqual([]);
});

test.each<[string, string, string, (config: Config) => unknown, unknown]>([
  ["PORT", "8200", "port", (c) => c.values.port, 8200],
  ["HOST", "0.0.0.0", "host", (c) => c.values.host, "0.0.0.0"],
  [
    "ALLOWED_ORIGINS",
    "https://a.example, https://b.example",
    "allowed_origins",
    (c) => c.values.allowed_origins,
    ["https://a.example", "https://b.example"],
  ],
  [
    "PUBLIC_URL",
    "https://MCP.example.com/",
    "public_url",
    (c) => c.values.public_url,
    "https://mcp.example.com",
  ],
  [
    "AUTH_LOOPBACK_BYPASS",
    "true",
    "auth.loopback_bypass",
    (c) => c.values.auth.loopback_bypass,
    true,
  ],
  [
    "AUTH_TRUSTED_NETWORKS",
    "10.0.0.0/8, fd00::/8, 192.168.1.7",
    "auth.trusted_networks",
    (c) => c.values.auth.trusted_networks,
    ["10.0.0.0/8", "fd00::/8", "192.168.1.7"],
  ],
  [
    "JWT_SECRET",
    "0123456789-0123456789-0123456789",
    "auth.jwt.secret",
    (c) => c.values.auth.jwt.secret,
    "0123456789-0123456789-0123456789",
  ],
  ["JWT_EXPIRES_IN", "24h", "auth.jwt.expires_in", (c) => c.values.auth.jwt.expires_in, 86_400_000],
  ["ENABLE_METRICS", "off", "metrics.enabled", (c) => c.values.metrics.enabled, false],
  ["METRICS_PORT", "9191", "metrics.port", (c) => c.values.metrics.port, 9191],
  [
    "REDIS_URL",
    "redis://h:6379",
    "cache.redis_url",
    (c) => c.values.cache.redis_url,
    "redis://h:6379",
  ],
  ["CACHE_TTL", "3600", "cache.ttl", (c) => c.values.cache.ttl, 3_600_000],
  ["LOG_LEVEL", "debug", "log.level", (c) => c.values.log.level, "debug"],
  ["LOG_FORMAT", "pretty", "log.format", (c) => c.values.log.format, "pretty"],
  [
    "DATABASE_URL",
    "postgres://h/d",
    "database.url",
    (c) => c.values.database.url,
    "postgres://h/d",
  ],
  ["DB_POOL_MIN", "3", "database.pool_min", (c) => c.values.database.pool_min, 3],
  ["DB_POOL_MAX", "30", "database.pool_max", (c) => c.values.database.pool_max, 30],
  [
    "DB_IDLE_TIMEOUT_MS",
    "2500",
    "database.idle_timeout",
    (c) => c.values.database.idle_timeout,
    2500,
  ],
  [
    "DB_QUERY_TIMEOUT_MS",
    "1500",
    "database.query_timeout",
    (c) => c.values.database.query_timeout,
    1500,
  ],
  ["RATE_LIMIT_WINDOW_MS", "30000", "rate_limit.window", (c) => c.values.rate_limit.window, 30_000],
  ["RATE_LIMIT_MAX_REQUESTS", "500", "rate_limit.max", (c) => c.values.rate_limit.max, 500],
  ["DEFAULT_TIMEOUT_MS", "7000", "limits.call_timeout", (c) => c.values.limits.call_timeout, 7000],
  ["NODE_ENV", "production", "profile", (c) => c.values.profile, "production"],
  ["SIGNALBOX_HOME", "/srv/box", "home", (c) => c.values.home, "/srv/box"],
  [
    "SIGNALBOX_ADMIN_KEY",
    "k7-Wq2pLx9Tz4RbN",
    "auth.admin_key",
    (c) => c.values.auth.admin_key,
    "k7-Wq2pLx9Tz4RbN",
  ],
])("the variable %s sets its setting", (name, text, path, get, value) => {
  const config = load({ env: { [name]: text } });
  expect(get(config)).toEqual(value);
  expect(config.origins.get(path)).toBe(`env:${name}`);
});

test("the nearer source wins: command line, environment, .env, file, profile, default", () => {
  const toml = "port = 1001\nprofile = 'test'";
  const sources: readonly (readonly [Given, number, string])[] = [
    [{}, 8100, "default"],
    [{ env: { NODE_ENV: "test" } }, 0, "profile:test"],
    [{ toml }, 1001, "file:signalbox.toml:1"],
    [{ toml, dotenv: "PORT=1002" }, 1002, "env:PORT in .env"],
    [{ toml, dotenv: "PORT=1002", env: { PORT: "1003" } }, 1003, "env:PORT"],
    [{ toml, env: { PORT: "1003" }, argv: ["--port", "1004"] }, 1004, "cli"],
  ];
  for (const [given, port, origin] of sources) {
    rmSync(join(cwd, ".env"), { force: true });
    const config = load(given);
    expect([config.values.port, config.origins.get("port")]).toEqual([port, origin]);
  }
});

test("whatever sources set a setting, the nearest one's value and origin show", () => {
  const port = fc.option(fc.integer({ min: 1024, max: 9000 }), { nil: undefined });
  fc.assert(
    fc.property(port, port, port, fc.boolean(), (cli, env, file, inTest) => {
      const config = load({
        toml: file === undefined ? "" : `port = ${file}`,
        env: {
          ...(env === undefined ? {} : { PORT: String(env) }),
          ...(inTest ? { NODE_ENV: "test" } : {}),
        },
        argv: cli === undefined ? [] : [`--port=${cli}`],
      });
      const candidates: readonly (readonly [number | undefined, string])[] = [
        [cli, "cli"],
        [env, "env:PORT"],
        [file, "file:signalbox.toml:1"],
        [inTest ? 0 : undefined, "profile:test"],
        [8100, "default"],
      ];
      const nearest = candidates.find(([value]) => value !== undefined);
      expect([config.values.port, config.origins.get("port")]).toEqual(nearest);
    }),
    { numRuns: 50 },
  );
});

test("profiles: pretty logs on a developer's terminal, quiet tests on free ports, JSON in production", () => {
  expect(load({ terminal: true }).values.log).toEqual({ level: "info", format: "pretty" });
  expect(load({ terminal: false }).values.log.format).toBe("json");
  const testing = load({ env: { NODE_ENV: "test" }, terminal: true }).values;
  expect([testing.port, testing.metrics.port, testing.log.level]).toEqual([0, 0, "warn"]);
  expect(load({ env: { NODE_ENV: "production" }, terminal: true }).values.log.format).toBe("json");
  expect(load({ env: { NODE_ENV: "test", SIGNALBOX_PROFILE: "production" } }).values.profile).toBe(
    "production",
  );
  expect(load({ toml: 'profile = "production"' }).origins.get("log.format")).toBe(
    "profile:production",
  );
});

test("empty variables count as not set", () => {
  expect(load({ env: { PORT: "", LOG_LEVEL: " ", SIGNALBOX_CONFIG: "" } }).values.port).toBe(8100);
});

test("flags and --set reach every setting", () => {
  const { values } = load({
    argv: [
      "--host",
      "localhost",
      "--home=box",
      "--log-level",
      "debug",
      "--set",
      "limits.call_timeout=10s",
      "--set",
      "call_log.arguments=true",
      "--set",
      'allowed_hosts=["a.example"]',
      "--set",
      'bundles.a.tools."x__y".title=Plain words',
    ],
  });
  expect(values).toMatchObject({
    host: "localhost",
    home: join(cwd, "box"),
    log: { level: "debug" },
    limits: { call_timeout: 10_000 },
    call_log: { arguments: true },
    allowed_hosts: ["a.example"],
    bundles: { a: { tools: { x__y: { title: "Plain words" } } } },
  });
});

test("a file is named by --config, else by SIGNALBOX_CONFIG", () => {
  writeFileSync(join(cwd, "a.toml"), "port = 1");
  writeFileSync(join(cwd, "b.toml"), "port = 2");
  const env = { SIGNALBOX_CONFIG: "a.toml" };
  expect(load({ env }).values.port).toBe(1);
  const config = load({ env, argv: ["--config", "b.toml"] });
  expect([config.values.port, config.file]).toEqual([2, join(cwd, "b.toml")]);
});

test("a named file that cannot be read stops the start", () => {
  mkdirSync(join(cwd, "folder"));
  expect(() => load({ argv: ["--config", "none.toml"] })).toThrow("none.toml: it does not exist");
  expect(() => load({ env: { SIGNALBOX_CONFIG: "folder" } })).toThrow("EISDIR");
  mkdirSync(join(cwd, ".env"));
  expect(() => load({})).toThrow(`Cannot read ${join(cwd, ".env")}`);
});

test("references of servers stay as they are written, and print shows them", () => {
  const config = load({
    toml: `
[servers.search]
url = "https://search.example/\${env:TENANT}"
headers = { Authorization = "Bearer \${secret:search}", X-Mixed = "Zq7mXw2KfLp9\${env:TENANT}" }
[servers.files]
command = "tool"
args = ["--token", "\${env:TOKEN}", "$\${env:TOKEN}", "\${HOME}"]
env = { PASSWORD = "\${file:/run/secrets/password}" }
`,
  });
  expect(config.values.servers).toMatchObject({
    search: {
      url: "https://search.example/${env:TENANT}",
      headers: { Authorization: "Bearer ${secret:search}" },
    },
    files: {
      args: ["--token", "${env:TOKEN}", "$${env:TOKEN}", "${HOME}"],
      env: { PASSWORD: "${file:/run/secrets/password}" },
    },
  });
  const printed = printConfig(config);
  expect(printed).not.toContain("Zq7mXw2KfLp9");
  for (const line of [
    'servers.search.headers.Authorization = "Bearer ${secret:search}"',
    'servers.search.headers.X-Mixed = "***"',
    'servers.files.env.PASSWORD = "${file:/run/secrets/password}"',
  ])
    expect(printed).toContain(line);
});

test("settings take values from the environment and from files, and print shows the reference", () => {
  writeFileSync(join(cwd, "key"), "Zq7mXw2KfLp9RtVb\n", { mode: 0o600 });
  const config = load({
    toml: `
[auth]
admin_key = "\${file:${join(cwd, "key")}}"
[database]
url = "postgres://u:\${env:DB_WORD}@db/\${env:DB_NAME}"
`,
    env: { DB_NAME: "box" },
    dotenv: "DB_WORD=Kf7Lp9Wq",
  });
  expect(config.values.auth.admin_key).toBe("Zq7mXw2KfLp9RtVb");
  expect(config.values.database.url).toBe("postgres://u:Kf7Lp9Wq@db/box");
  const printed = printConfig(config);
  expect(printed).toContain(`auth.admin_key = "\${file:${join(cwd, "key")}}"`);
  for (const secret of ["Zq7mXw2KfLp9RtVb", "Kf7Lp9Wq"]) expect(printed).not.toContain(secret);
});

test("no list of secrets is printed", () => {
  const keys = ["Zq7mXw2KfLp9RtVbZq7mXw2KfLp9RtVb", "another-of-32-characters-00000000"];
  const printed = printConfig(load({ env: { MCP_ENCRYPTION_KEY_PREVIOUS: keys.join(",") } }));
  expect(printed).toContain('secrets.previous_encryption_keys = ["***", "***"]');
});

test("every variable that sets a secret is refused to servers", () => {
  const secrets = variables.filter(({ path }) => holdsSecret(path)).map(({ name }) => name);
  expect(secrets).toEqual([
    "DATABASE_URL",
    "REDIS_URL",
    "SIGNALBOX_ADMIN_KEY",
    "MCP_ENCRYPTION_KEY",
    "MCP_ENCRYPTION_KEY_PREVIOUS",
    "JWT_SECRET",
  ]);
  for (const { name, path } of variables)
    expect([name, isOwnSecret(name)]).toEqual([name, holdsSecret(path)]);
});

test("the settings that hold secrets are these; another one is seen by its name, or by the address it takes", () => {
  const found = settingPaths([]).filter(holdsSecret);
  expect(found.map((path) => path.join("."))).toEqual([
    "database.url",
    "auth.admin_key",
    "auth.jwt.secret",
    "auth.oauth.issuers.*.jwks_url",
    "auth.oauth.issuers.*.introspection_url",
    "auth.oauth.issuers.*.client_secret",
    "auth.oidc.client_secret",
    "secrets.encryption_key",
    "secrets.previous_encryption_keys",
    "connections.client_metadata_url",
    "audit.webhook_url",
    "audit.webhook_secret",
    "cache.redis_url",
  ]);
});

test("what a secret in the file refers to is known, and nothing else", () => {
  writeFileSync(join(cwd, "idp"), "Zq7mXw2KfLp9RtVb", { mode: 0o600 });
  const { ownSources } = load({
    toml: `
public_url = "https://\${env:PUBLIC_NAME}"
[auth.oauth.issuers.idp]
issuer = "https://idp.example"
client_id = "\${env:CLIENT}"
client_secret = "\${file:${join(cwd, "idp")}}"
[audit]
webhook_secret = "\${env:HOOK_WORD}"
[database]
url = "postgres://u:\${env:DB_WORD}@db/box"
[servers.a]
command = "a"
env = { B = "\${env:OTHERS}" }
`,
    env: { PUBLIC_NAME: "a.example", CLIENT: "c", HOOK_WORD: "Kf7Lp9WqKf7Lp9Wq", DB_WORD: "Kf7L" },
  });
  expect([...ownSources.variables].toSorted()).toEqual(["DB_WORD", "HOOK_WORD"]);
  expect(ownSources.files).toEqual([join(cwd, "idp")]);
});

test("print shows every setting with its origin and no secret", () => {
  const secret = "Zq7mXw2KfLp9RtVb";
  const config = load({
    toml: `
[limits]
call_timeout = "90s"
[database]
url = "postgres://user:${secret}@db/signalbox"
[servers.a]
command = "tool"
args = ["--api-key", "${secret}", "--url=https://u:${secret}@h/"]
env = { SOMETHING = "${secret}" }
[servers.b]
url = "https://h/mcp?token=${secret}"
headers = { X-Custom = "${secret}" }
[[servers.b.endpoints]]
url = "https://h2/"
headers = { X-Custom = "${secret}" }
`,
    env: { SIGNALBOX_ADMIN_KEY: secret },
    argv: ["--port", "0"],
  });
  const printed = printConfig(config, { withOrigin: true });
  expect(printed).not.toContain(secret);
  const lines = printed.trim().split("\n");
  expect(lines).toContain("port = 0  # cli");
  expect(lines).toContain('host = "127.0.0.1"  # default');
  expect(lines).toContain('limits.call_timeout = "90s"  # file:signalbox.toml:3');
  expect(lines).toContain('auth.admin_key = "***"  # env:SIGNALBOX_ADMIN_KEY');
  expect(lines).toContain(
    'database.url = "postgres://user:[redacted]@db/signalbox"  # file:signalbox.toml:5',
  );
  expect(lines).toContain('servers.a.env.SOMETHING = "***"  # file:signalbox.toml:9');
  expect(printConfig(config)).not.toContain("#");
});

test("what print writes is TOML that sets the same again", () => {
  const config = load({
    toml: 'port = 4\n[limits]\ncall_timeout = "1500ms"\n[bundles."a"]\ninclude = ["x__*"]\n[bundles.a.tools."x__y"]\ntitle = "Odd \\"title\\""',
  });
  const again = load({ toml: printConfig(config) });
  expect(again.values).toEqual(config.values);
});

test("unknown variables of ours are warned about with the nearest name", () => {
  expect(
    load({ env: { SIGNALBOX_HOM: "x", SIGNALBOX_ZZZZZZZZZZZZ: "1", SIGNALBOX_URL: "u" } }).warnings,
  ).toEqual([
    "The environment variable SIGNALBOX_HOM is not known and has no effect (did you mean SIGNALBOX_HOME?)",
    "The environment variable SIGNALBOX_ZZZZZZZZZZZZ is not known and has no effect",
  ]);
});

test("metrics that others can reach are warned about", () => {
  expect(load({ env: { METRICS_HOST: "0.0.0.0" } }).warnings).toEqual([
    "The metrics on 0.0.0.0:9090 are readable without a key by everyone who reaches that address",
  ]);
});

const durationForms =
  'must be a duration such as "250ms", "30s", "10m", "1h" or "30d", or a whole number of milliseconds';

test.each<[string, Given, string[]]>([
  [
    "an unknown setting with the nearest name",
    { toml: "[limits]\n\ncall_timout = 5" },
    ["signalbox.toml:3: limits.call_timout: is not a setting (did you mean call_timeout?)"],
  ],
  [
    "an unknown setting far from any name",
    { toml: "zzzzzzzz = 1" },
    ["signalbox.toml:1: zzzzzzzz: is not a setting"],
  ],
  [
    "a role that this version does not have",
    { env: { SIGNALBOX_ROLE: "worker" } },
    [
      'SIGNALBOX_ROLE (environment): role: can only be "all" in this version: other roles come with running several replicas',
    ],
  ],
  [
    "a setting in the wrong table",
    { toml: "[metrics]\nlevel = 'info'" },
    ["signalbox.toml:2: metrics.level: is not a setting (did you mean log.level?)"],
  ],
  [
    "an unknown table",
    { toml: "[metric]\nport = 1" },
    ["signalbox.toml:1: metric: is not a setting (did you mean metrics?)"],
  ],
  [
    "swapped letters",
    { toml: "prot = 1" },
    ["signalbox.toml:1: prot: is not a setting (did you mean port?)"],
  ],
  [
    "a key named __proto__",
    { toml: "[__proto__]\nport = 1" },
    ["signalbox.toml:1: __proto__: is not a setting"],
  ],
  [
    "text for a number",
    { toml: 'port = "8100"' },
    ["signalbox.toml:1: port: must be a number, not text"],
  ],
  [
    "a fraction for a whole number",
    { toml: "port = 1.5" },
    ["signalbox.toml:1: port: must be a whole number, not 1.5"],
  ],
  [
    "a number out of bounds",
    { toml: "port = 70000" },
    ["signalbox.toml:1: port: must be at most 65535"],
  ],
  [
    "a number for a truth value",
    { toml: "[auth]\nrequired = 1" },
    ["signalbox.toml:2: auth.required: must be true or false, not 1"],
  ],
  [
    "a value for a table",
    { toml: 'limits = "many"' },
    ["signalbox.toml:1: limits: must be a table, not text"],
  ],
  [
    "a wrong word with the nearest one",
    { toml: "[log]\nlevel = 'inof'" },
    [
      'signalbox.toml:2: log.level: must be "error", "warn", "info" or "debug" (did you mean info?)',
    ],
  ],
  [
    "a bad duration",
    { toml: "[limits]\nsession_idle = '10 minutes'" },
    [`signalbox.toml:2: limits.session_idle: ${durationForms}`],
  ],
  ["an empty text", { toml: "home = ''" }, ["signalbox.toml:1: home: must not be empty"]],
  [
    "a text in a list",
    { toml: "allowed_hosts = [\n  'a',\n  5,\n]" },
    ["signalbox.toml:3: allowed_hosts.1: must be text, not 5"],
  ],
  [
    "rules across settings",
    { toml: "[database]\npool_min = 20" },
    ["signalbox.toml:2: database.pool_min: must not be greater than pool_max"],
  ],
  [
    "rules across settings beside an unknown one",
    { toml: "[database]\npool_min = 20\npol = 1" },
    [
      "signalbox.toml:2: database.pool_min: must not be greater than pool_max",
      "signalbox.toml:3: database.pol: is not a setting",
    ],
  ],
  [
    "no TOML at all",
    { toml: "port = \nhost = 'x'" },
    ["signalbox.toml:1: is not valid TOML: invalid value"],
  ],
  [
    "a server without an address",
    { toml: "\n[servers.a]\nargs = []" },
    [
      "signalbox.toml:2: servers.a.command: give command (a local process) or url (a remote server)",
    ],
  ],
  [
    "a server's bad name",
    { toml: "[servers.Files]\ncommand = 'x'" },
    [
      'signalbox.toml:1: servers.Files: a server\'s name has 1 to 32 characters of "a-z", "0-9", "-" and "_", and starts with a letter or digit',
    ],
  ],
  [
    "a server's unknown setting",
    { toml: "[servers.a]\ncommand = 'x'\ncomand = 'y'" },
    ["signalbox.toml:3: servers.a.comand: is not a setting (did you mean command?)"],
  ],
  [
    "an endpoint in the list of a server",
    {
      toml: "[servers.a]\nurl = 'https://h/'\n[[servers.a.endpoints]]\nurl = 'https://h/'\n[[servers.a.endpoints]]\nweight = 1\nurl = 'nope'",
    },
    ['signalbox.toml:7: servers.a.endpoints.1.url: "nope" is not an absolute URL'],
  ],
  [
    "a setting's variable that is not set, its file that is not there, and the vault's secrets",
    {
      toml: "[database]\nurl = 'postgres://u:${env:NOPE}@h/'\n[auth]\nadmin_key = '${file:/none/at/all}'\n[cache]\nredis_url = 'redis://h/${secret:x}'",
    },
    [
      "signalbox.toml:2: database.url: needs the environment variable NOPE, which is not set",
      "signalbox.toml:4: auth.admin_key: needs the file /none/at/all, which does not exist",
      "signalbox.toml:6: cache.redis_url: ${secret:...} cannot stand here; the vault's secrets are for servers and the secrets of services: use ${env:NAME} or ${file:/path}",
    ],
  ],
  [
    "references that are none",
    {
      toml: "home = '${home}'\n[servers.a]\ncommand = 'x'\nargs = ['${secrets:a}']\nenv = { A = '${TOKEN}', B = '${env:MCP_ENCRYPTION_KEY}' }",
    },
    [
      "signalbox.toml:1: home: ${home} is no reference: there are ${secret:name}, ${env:NAME} and ${file:/path}; $${ stands for the text itself",
      "signalbox.toml:4: servers.a.args.0: ${secrets:a} is no reference: there are ${secret:name}, ${env:NAME} and ${file:/path}; $${ stands for the text itself",
      "signalbox.toml:5: servers.a.env.A: ${TOKEN} is no reference: there are ${secret:name}, ${env:NAME} and ${file:/path}; $${ stands for the text itself",
      "signalbox.toml:5: servers.a.env.B: ${env:MCP_ENCRYPTION_KEY} is refused: it holds a secret of the gateway itself",
    ],
  ],
  [
    "secrets where others could read them",
    {
      toml: "[servers.a]\ncommand = 'x'\nargs = ['--token', '${secret:a}']\nenv_allow = ['JWT_SECRET']\n[servers.b]\nurl = 'https://h/?key=${file:/k}'",
    },
    [
      "signalbox.toml:3: servers.a.args.1: ${secret:...} would put a secret into a command line, which others can read: use env",
      "signalbox.toml:4: servers.a.env_allow.0: it holds a secret of the gateway itself",
      "signalbox.toml:6: servers.b.url: ${file:...} would put a secret into a URL, which is logged: use headers",
    ],
  ],
  [
    "a bundle's unknown setting",
    { toml: "[bundles.a]\nincludes = []" },
    ["signalbox.toml:2: bundles.a.includes: is not a setting (did you mean include?)"],
  ],
  [
    "a variable that is no number",
    { env: { PORT: "abc" } },
    ['PORT (environment): port: must be a whole number, not "abc"'],
  ],
  [
    "a variable that is out of bounds",
    { env: { METRICS_PORT: "-1" } },
    ["METRICS_PORT (environment): metrics.port: must be at least 0"],
  ],
  [
    "a variable that is no truth value",
    { env: { ENABLE_METRICS: "maybe" } },
    ['ENABLE_METRICS (environment): metrics.enabled: must be true or false, not "maybe"'],
  ],
  [
    "a variable of .env",
    { dotenv: "LOG_LEVEL=loud" },
    ['LOG_LEVEL (.env): log.level: must be "error", "warn", "info" or "debug"'],
  ],
  [
    "an unknown profile",
    { env: { NODE_ENV: "prodution" } },
    [
      'NODE_ENV (environment): profile: must be "development", "test" or "production" (did you mean production?)',
    ],
  ],
  [
    "a short admin key, without showing it",
    { env: { SIGNALBOX_ADMIN_KEY: "k7-Wq2" } },
    ["SIGNALBOX_ADMIN_KEY (environment): auth.admin_key: must have at least 16 characters"],
  ],
  [
    "a database that is no PostgreSQL, without showing it",
    { env: { DATABASE_URL: "mysql://u:p@h" } },
    ['DATABASE_URL (environment): database.url: must begin with "postgres://" or "postgresql://"'],
  ],
  [
    "an unknown flag",
    { argv: ["--prot", "1"] },
    ["--prot: is not an option of this command (did you mean --port?)"],
  ],
  ["a word that is no flag", { argv: ["8100"] }, ["8100: is not expected here"]],
  ["a flag without its value", { argv: ["--port", "--host", "x"] }, ["--port: needs a value"]],
  ["a flag's bad value", { argv: ["--port", "x"] }, ["--port: port: must be a number, not text"]],
  [
    "--set without a value",
    { argv: ["--set", "port"] },
    ['--set: must look like "limits.call_timeout=10s"'],
  ],
  [
    "--set of an unknown setting",
    { argv: ["--set", "limits.cal_timeout=1s"] },
    ["--set limits.cal_timeout: limits.cal_timeout: is not a setting (did you mean call_timeout?)"],
  ],
  [
    "a secret on the command line, without showing it",
    { argv: ["--set", "auth.admin_key=k7-Wq2pLx9Tz4RbN"] },
    [
      "--set: auth.admin_key: is a secret and must not stand on the command line; use the environment or the file",
    ],
  ],
  [
    "an open door beyond this machine",
    { toml: "host = '0.0.0.0'\n[auth]\nrequired = false" },
    [
      "signalbox.toml:3: auth.required: cannot be off while the gateway listens beyond this machine (host is 0.0.0.0)",
    ],
  ],
  [
    "an open door in production",
    { toml: "profile = 'production'\n[auth]\nrequired = false" },
    ["signalbox.toml:3: auth.required: cannot be off in the profile production"],
  ],
  [
    "one port for two listeners",
    { env: { METRICS_PORT: "8100" } },
    ["METRICS_PORT (environment): metrics.port: must differ from port, which is 8100 too"],
  ],
  [
    "a server and a bundle of projects that the file does not define",
    {
      toml: "[projects.payments]\n[servers.a]\nurl = 'http://a/mcp'\nproject = 'paiments'\n[bundles.b]\nproject = 'payments'\n[bundles.c]\nproject = 'none'",
    },
    [
      "signalbox.toml:4: servers.a.project: names no project of this file; define it as [projects.<name>] (did you mean payments?)",
      "signalbox.toml:8: bundles.c.project: names no project of this file; define it as [projects.<name>]",
    ],
  ],
  [
    "a role of a built-in name, and a rule with an unknown condition",
    {
      toml: "[roles.admin]\n[roles.reader]\n[[roles.reader.rules]]\neffect = 'allow'\ntool = ['x']",
    },
    [
      "signalbox.toml:1: roles.admin: this role is part of the gateway: choose another name",
      "signalbox.toml:5: roles.reader.rules.0.tool: is not a setting (did you mean tools?)",
    ],
  ],
])("a mistake is said with its place: %s", (_, given, lines) => {
  expect(mistakes(given)).toEqual(lines);
});

test("all mistakes are said at once, in the order of the file, and stand in the details as data", () => {
  const given = {
    toml: "prot = 1\n[log]\nlevel = 'x'\n[servers.a]\nname = 'b'",
    env: { PORT: "x" },
    argv: ["--zzzzzzzz"],
  };
  expect(mistakes(given)).toEqual([
    "--zzzzzzzz: is not an option of this command",
    'PORT (environment): port: must be a whole number, not "x"',
    "signalbox.toml:1: prot: is not a setting (did you mean port?)",
    'signalbox.toml:3: log.level: must be "error", "warn", "info" or "debug"',
    "signalbox.toml:4: servers.a.command: give command (a local process) or url (a remote server)",
    "signalbox.toml:5: servers.a.name: is not a setting",
  ]);
  expect(() => load(given)).toThrow(
    expect.objectContaining({
      code: "CONFIG_INVALID",
      details: {
        problems: expect.arrayContaining([
          {
            file: "signalbox.toml",
            line: 1,
            path: "prot",
            message: "is not a setting",
            suggestion: "port",
          },
        ]),
      },
    }),
  );
});

test("other failures than CONFIG_INVALID have no problems to list", () => {
  expect(problemTextsOf(new Error("a\nb"))).toEqual([]);
});

test("programs on this machine need no key where somebody chose the profile development", () => {
  const bypass = (options: Parameters<typeof load>[0]): [boolean, string | undefined] => {
    const { values, origins } = load(options);
    return [values.auth.loopback_bypass, origins.get("auth.loopback_bypass")];
  };
  expect(bypass({})).toEqual([false, "default"]);
  expect(bypass({ env: { NODE_ENV: "development" } })).toEqual([true, "profile:development"]);
  expect(bypass({ toml: "profile = 'production'" })).toEqual([false, "default"]);
  const off = { NODE_ENV: "development", AUTH_LOOPBACK_BYPASS: "false" };
  expect(bypass({ env: off })).toEqual([false, "env:AUTH_LOOPBACK_BYPASS"]);
});

test.each<[string, string, string]>([
  [
    "a network that is everything",
    "trusted_networks = ['0.0.0.0/0']",
    "is too large to be trusted",
  ],
  ["a network that is none", "trusted_networks = ['10.0.0.0/33']", "must be an address"],
  ["the role admin for a network", "network_role = 'admin'", 'must be "operator", "developer"'],
  ["a short secret", "jwt = { secret = 'short' }", "must have at least 32 characters"],
  [
    "an algorithm with a secret for an issuer",
    "oauth.issuers.a = { issuer = 'https://a.example', algorithms = ['HS256'] }",
    "oauth.issuers.a.algorithms",
  ],
  [
    "no algorithm for an issuer",
    "oauth.issuers.a = { issuer = 'https://a.example', algorithms = ['none'] }",
    "oauth.issuers.a.algorithms",
  ],
  [
    "introspection without a credential",
    "oauth.issuers.a = { issuer = 'https://a.example', introspect = 'opaque' }",
    "needs client_id and client_secret",
  ],
])("%s is refused in [auth]", (_, setting, message) => {
  expect(mistakes({ toml: `[auth]\n${setting}` }).join("\n")).toContain(message);
});

test("an address for clients is an origin alone", () => {
  expect(mistakes({ toml: "public_url = 'https://a.example/path'" })).toHaveLength(1);
  expect(mistakes({ toml: "public_url = 'ftp://a.example'" })).toHaveLength(1);
});

test("an open door on this machine only is allowed, in development", () => {
  for (const host of ["127.0.0.1", "127.1.2.3", "::1", "localhost"]) {
    expect(
      load({ argv: ["--host", host, "--set", "auth.required=false"] }).values.auth.required,
    ).toBe(false);
  }
});

test("any text in the file gives a configuration or CONFIG_INVALID, nothing else", () => {
  const line = fc.oneof(
    fc.string(),
    fc.constantFrom(
      "[limits]",
      "[servers.a]",
      "[[servers.a.endpoints]]",
      "url = 'https://h/'",
      "port = 1",
      "a.b.c = { d = [1, { e = 2 }] }",
      '"""',
      "'''",
      "x = [",
      "]",
    ),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
      expect(Array.isArray(mistakes({ toml: lines.join("\n") }))).toBe(true);
    }),
    { numRuns: 200 },
  );
});

/** Every setting but those of servers and of what else people name for themselves; "*" for a name of theirs. */
function settingPaths(path: readonly string[]): string[][] {
  const schema = path.length === 0 ? configSchema : schemaAt(path);
  if (path[0] === "servers" || path[0] === "bundles") return [];
  if (schema instanceof z.ZodObject)
    return Object.keys(schema.shape).flatMap((name) => settingPaths([...path, name]));
  if (schema instanceof z.ZodRecord) return settingPaths([...path, "*"]);
  return [[...path]];
}
