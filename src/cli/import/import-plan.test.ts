import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FoundServer } from "./found-server.ts";
import { planImport } from "./import-plan.ts";
import { knownFiles } from "./known-files.ts";
import { parseEnvFile } from "./env-file.ts";
import { openQuestions, resolveOptions } from "./placeholders.ts";
import { freeServerName, validServerName } from "./server-name.ts";

function found(
  originalName: string,
  options: FoundServer["options"] = { command: originalName },
): FoundServer {
  return { kind: "server", originalName, folder: "/w", options, notes: [], inputs: new Map() };
}

function planned(entries: FoundServer[], existing: string[] = []): string[] {
  const plan = planImport([{ client: "x", file: "/f.json", entries }], new Set(existing));
  return plan.map(
    (entry) =>
      `${entry.kind} ${entry.name}: ${entry.kind === "skip" ? entry.reason : entry.notes.join(" ")}`,
  );
}

describe("names", () => {
  test("are made valid, whatever they were", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (name) => {
        const valid = validServerName(name);
        expect(valid).toMatch(/^[a-z0-9][a-z0-9_-]{0,31}$/);
        expect(valid).not.toContain("__");
      }),
    );
    expect(validServerName("GitHub (Work) é__x")).toBe("github-work-e_x");
  });

  test("a valid one stays as it is", () => {
    expect(validServerName("my-server_2")).toBe("my-server_2");
  });

  test("a taken one gets the first free number, within the length", () => {
    const long = "a".repeat(32);
    expect(freeServerName(long, new Set([long, `${"a".repeat(30)}-2`]))).toBe(
      `${"a".repeat(30)}-3`,
    );
  });
});

describe("the plan", () => {
  test("says what becomes of each entry", () => {
    expect(
      planned(
        [
          found("Files"),
          found("copy", { command: "Files" }),
          found("files", { command: "other" }),
          found("taken"),
        ],
        ["taken"],
      ),
    ).toEqual([
      'add files: "Files" cannot name a server here: it becomes files.',
      "skip copy: It is the same server as files, from /f.json.",
      "add files-2: files is already another server of this import: it becomes files-2.",
      "skip taken: The gateway already has a server named taken.",
    ]);
  });

  test("what only an editor knows is not imported", () => {
    expect(planned([found("a", { command: "x", args: ["${config:my.setting}"] })])).toEqual([
      "skip a: Only its editor can say what ${config:my.setting} stands for.",
    ]);
  });
});

describe("placeholders", () => {
  const surroundings = { env: { HAVE: "here", EMPTY: "" }, userHome: "/home/ada" };

  test("are resolved from the surroundings", () => {
    const server = found("a", {
      command: "${userHome}/bin/x",
      args: [
        "${workspaceFolder}",
        "${HAVE}",
        "${env:HAVE}!",
        "${NONE:-standing}",
        "${EMPTY:-empty}",
        "$HAVE",
      ],
    });
    expect(openQuestions(server, surroundings)).toEqual([]);
    expect(resolveOptions(server, surroundings, new Map())).toEqual({
      command: "/home/ada/bin/x",
      args: ["/w", "here", "here!", "standing", "empty", "$HAVE"],
    });
  });

  test("without a value become questions, once each, secret where their name or place says so", () => {
    const inputs = new Map([
      ["input:org", { description: "Organisation", secret: false, default: "acme" }],
    ]);
    const server: FoundServer = {
      ...found("a", {
        url: "https://x/${input:org}",
        headers: {
          Authorization: "Bearer ${CREDS}",
          "X-Org": "${input:org}",
          "X-Team": "${env:TEAM}",
        },
      }),
      inputs,
    };
    expect(openQuestions(server, surroundings)).toEqual([
      { id: "input:org", description: "Organisation", secret: false, default: "acme" },
      { id: "CREDS", description: "CREDS", secret: true },
      { id: "env:TEAM", description: "TEAM", secret: false },
    ]);
    const answers = new Map([
      ["input:org", "o"],
      ["CREDS", "${HAVE}"],
      ["env:TEAM", "t"],
    ]);
    expect(resolveOptions(server, surroundings, answers).headers).toEqual({
      Authorization: "Bearer ${HAVE}",
      "X-Org": "o",
      "X-Team": "t",
    });
  });
});

test("a variables file is read as dotenv does", () => {
  expect(
    parseEnvFile("# c\nA=1\nexport B = \"two words\" \nC='x # y'\nD=z # note\nnonsense\nE=\n"),
  ).toEqual({
    A: "1",
    B: "two words",
    C: "x # y",
    D: "z",
    E: "",
  });
});

test("the known places depend on the platform", () => {
  const places = { env: { APPDATA: "/appdata" }, userHome: "/u", cwd: "/w" };
  const desktop = (platform: NodeJS.Platform): string | undefined =>
    knownFiles({ ...places, platform })[0]?.file;
  expect(desktop("darwin")).toBe(
    "/u/Library/Application Support/Claude/claude_desktop_config.json",
  );
  expect(desktop("linux")).toBe("/u/.config/Claude/claude_desktop_config.json");
  expect(desktop("win32")).toBe("/appdata/Claude/claude_desktop_config.json");
});
