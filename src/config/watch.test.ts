import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { watchConfigFile } from "./watch.ts";

let folder = "";
let stop = new AbortController();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "watch-"));
  stop = new AbortController();
});
afterEach(() => {
  stop.abort();
  rmSync(folder, { recursive: true });
});

function watched(path: string) {
  const onChange = vi.fn<() => void>();
  watchConfigFile(path, onChange, { signal: stop.signal });
  const changes = async (count: number): Promise<number> => {
    await vi.waitFor(() => expect(onChange.mock.calls.length).toBeGreaterThanOrEqual(count), {
      timeout: 5000,
    });
    return onChange.mock.calls.length;
  };
  return { onChange, changes };
}

test("a change, a replacement, a removal and a return are each noticed", async () => {
  const path = join(folder, "signalbox.toml");
  writeFileSync(path, "port = 1");
  const { changes } = watched(path);
  writeFileSync(path, "port = 22");
  expect(await changes(1)).toBe(1);
  writeFileSync(`${path}.new`, "port = 333");
  renameSync(`${path}.new`, path);
  expect(await changes(2)).toBe(2);
  rmSync(path);
  expect(await changes(3)).toBe(3);
  writeFileSync(path, "port = 4444");
  expect(await changes(4)).toBe(4);
});

test("a file in a folder that does not exist yet is noticed when it comes", async () => {
  const path = join(folder, "later", "signalbox.toml");
  const { changes } = watched(path);
  mkdirSync(join(folder, "later"));
  writeFileSync(path, "port = 1");
  expect(await changes(1)).toBe(1);
});

test("other files in the folder are no change, and nothing is called after the end", async () => {
  const path = join(folder, "signalbox.toml");
  writeFileSync(path, "port = 1");
  const { onChange, changes } = watched(path);
  writeFileSync(join(folder, "other.toml"), "x");
  writeFileSync(path, "port = 22");
  expect(await changes(1)).toBe(1);
  expect(onChange).toHaveBeenCalledTimes(1);
  stop.abort();
  const other = watched(path);
  writeFileSync(path, "port = 333");
  expect(other.onChange).not.toHaveBeenCalled();
  expect(onChange).toHaveBeenCalledTimes(1);
});
