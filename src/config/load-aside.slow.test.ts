import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { loadConfigAside } from "./load-aside.ts";
import { loadConfig } from "./load.ts";

const padding = `# ${"large ".repeat(2_000)}\n`;

async function folderWith(toml: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "signalbox-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "signalbox.toml"), toml);
  return folder;
}

const fileIn = (folder: string): string => join(folder, "signalbox.toml");
const soon = (): AbortSignal => AbortSignal.timeout(20_000);

test.each(["", padding])(
  "a configuration read aside is the one that is read at once",
  async (more) => {
    const cwd = await folderWith(
      `port = 9000\n${more}[servers.a]\nurl = "https://a.example/mcp"\n`,
    );
    const options = { argv: ["--host", "127.0.0.1"], env: { LOG_LEVEL: "error" }, cwd };
    expect(await loadConfigAside(options, fileIn(cwd), soon())).toEqual(
      loadConfig({ ...options, terminal: process.stdout.isTTY }),
    );
  },
);

test("its problems come back with their code and all their places", async () => {
  const cwd = await folderWith(`prot = 1\n[servers.a]\nurl = "nonsense"\n${padding}`);
  const options = { argv: [], env: {}, cwd };
  let said: unknown;
  try {
    loadConfig(options);
  } catch (error) {
    said = error;
  }
  await expect(loadConfigAside(options, fileIn(cwd), soon())).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: said instanceof Error ? said.message : "",
  });
});

test("it ends with its signal", async () => {
  const cwd = await folderWith("port = 9000\n");
  const options = { argv: [], env: {}, cwd };
  const loading = loadConfigAside(options, fileIn(cwd), AbortSignal.abort());
  await expect(loading).rejects.toThrow(/abort/u);
});
