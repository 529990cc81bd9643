import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, onTestFinished, test } from "vitest";
import { openTestDatabase } from "../../src/store/test-database.ts";
import { runNode } from "../support/child.ts";
import { startGateway, type GatewaySetup, type TestGateway } from "../support/gateway.ts";
import { descendantsOf } from "../support/processes.ts";
import { inRoot } from "../support/root.ts";
import { everythingOverStdio } from "../support/servers.ts";
import { until } from "../support/until.ts";

const key = (): string => randomBytes(32).toString("base64");

let gateway: TestGateway | undefined;
afterEach(async () => {
  await gateway?.stop();
  gateway = undefined;
}, 60_000);

async function refusedStart(env: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "refused-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const child = runNode([inRoot("src/main.ts"), "serve", "--port=0"], {
    cwd: folder,
    env: { SIGNALBOX_HOME: join(folder, "home"), METRICS_PORT: "0", ...env },
  });
  await child.closed;
  expect(child.process.exitCode).toBe(1);
  return child.stdout() + child.stderr();
}

test("a start with placeholders is refused, all of them at once, in every profile", async () => {
  for (const NODE_ENV of ["development", "test", "production"]) {
    const said = await refusedStart({
      NODE_ENV,
      JWT_SECRET: "minimum_32_character_secret_key_here",
      MCP_ENCRYPTION_KEY: "your-32-character-encryption-key",
      SIGNALBOX_ADMIN_KEY: "changeme-changeme-changeme",
      GITHUB_PAT: "ghp_your_personal_access_token",
    });
    for (const name of ["JWT_SECRET", "MCP_ENCRYPTION_KEY", "SIGNALBOX_ADMIN_KEY", "GITHUB_PAT"])
      expect(said).toContain(name);
    expect(said).toContain("openssl rand -base64 32");
    expect(said).toContain("docs/errors/SECRET_WEAK.md");
  }
});

test("an external database in production is not used without an encryption key", async () => {
  await using database = await openTestDatabase();
  const said = await refusedStart({ NODE_ENV: "production", DATABASE_URL: database.url });
  expect(said).toContain("openssl rand -base64 32");
  expect(said).toContain("docs/errors/ENCRYPTION_KEY_MISSING.md");
});

test("a secret outlives restarts and a change of the encryption key, and open files are closed", async () => {
  const setup: GatewaySetup = {
    servers: { local: { ...everythingOverStdio(), env: { TOKEN: "${secret:token}" } } },
  };
  const first = await startGateway(setup);
  gateway = first;
  const { home } = first;
  const file = join(home, "data", "encryption.key");
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  await first.api("PUT", "/api/secrets/token", { value: "value-across-restarts" });
  await untilGiven(first, "value-across-restarts");
  await first.stop({ keepHome: true });

  await chmod(file, 0o644);
  const made = (await readFile(file, "utf8")).trim();
  const next = key();
  const second = await startGateway({ ...setup, home, env: { MCP_ENCRYPTION_KEY: next } });
  gateway = second;
  expect(second.child.stdout()).toContain("Others could read");
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  await untilGiven(second, "value-across-restarts");
  const rotated = await cli(second, "secrets", "rotate", "--json");
  expect(JSON.parse(rotated)).toMatchObject({ resealed: 1, left: 0, unreadable: [] });
  expect(second.child.stdout()).not.toContain(made);
  await second.stop({ keepHome: true });

  await rm(file);
  const third = await startGateway({ ...setup, home, env: { MCP_ENCRYPTION_KEY: next } });
  gateway = third;
  await untilGiven(third, "value-across-restarts");
  await third.stop({ keepHome: true });

  const fourth = await startGateway({ ...setup, home, env: { MCP_ENCRYPTION_KEY: key() } });
  gateway = fourth;
  const { body } = await fourth.api("GET", "/api/servers/local");
  expect(JSON.stringify(body)).toContain("${secret:token}, which cannot be opened");
});

test("a changed secret restarts the server that has it, and no other", async () => {
  const running = await startGateway({
    servers: {
      uses: { ...everythingOverStdio(), env: { TOKEN: "${secret:token}" } },
      plain: { ...everythingOverStdio(), env: { MARK: "plain-server" } },
    },
  });
  gateway = running;
  await running.api("PUT", "/api/secrets/token", { value: "the-first-value" });
  const [before] = await untilGiven(running, "the-first-value");
  const plain = await untilGiven(running, "plain-server");
  await running.api("PUT", "/api/secrets/token", { value: "the-second-value" });
  const [after] = await untilGiven(running, "the-second-value");
  expect(after).not.toBe(before);
  expect(await untilGiven(running, "plain-server")).toEqual(plain);
  await until(
    "the old process is gone",
    async () => (await given(running, "the-first-value")).length === 0,
    30_000,
  );
});

/** The processes that have the text in their environment. */
async function given({ child }: TestGateway, text: string): Promise<number[]> {
  const found: number[] = [];
  for (const pid of await descendantsOf(child.pid)) {
    const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
    if (environment.includes(text)) found.push(pid);
  }
  return found;
}

async function untilGiven(running: TestGateway, text: string): Promise<number[]> {
  return await until(
    `a process has ${text}`,
    async () => {
      const found = await given(running, text);
      return found.length > 0 && found;
    },
    30_000,
  );
}

async function cli(running: TestGateway, ...words: string[]): Promise<string> {
  const child = runNode([inRoot("src/main.ts"), ...words], {
    env: { SIGNALBOX_URL: running.url, SIGNALBOX_KEY: running.key },
  });
  await child.closed;
  return child.stdout();
}
