import { expect, test } from "vitest";
import { processOptions } from "./process-options.ts";
import { throughRunner, type RunContext } from "./runner.ts";

const program = { command: "npx", args: ["-y", "server"] };
const context: RunContext = { name: "files", cwd: "/srv/files", variables: ["TOKEN"] };

test("starts the program itself where nothing else is asked for", () => {
  expect(throughRunner(program, processOptions.parse({}), context)).toEqual(program);
});

test("bubblewrap sees everything read-only but its folder, and no network", () => {
  const options = processOptions.parse({
    runner: "bubblewrap",
    bubblewrap: { writable: ["/var/cache/npm"], hidden: ["/var/lib/signalbox"] },
  });
  const { command, args } = throughRunner(program, options, context);
  expect([command, ...args].join(" ")).toBe(
    "bwrap --die-with-parent --unshare-all --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp" +
      " --bind /srv/files /srv/files --bind /var/cache/npm /var/cache/npm" +
      " --tmpfs /var/lib/signalbox --chdir /srv/files -- npx -y server",
  );
});

test.each([
  ["hides what lies in a writable folder", "/home/me/.ssh", "/home/me", "--bind", "--tmpfs"],
  ["writes in a folder of a hidden one", "/home/me", "/home/me/work", "--tmpfs", "--bind"],
])("bubblewrap %s", (_fact, hidden, cwd, first, second) => {
  const options = processOptions.parse({
    runner: "bubblewrap",
    bubblewrap: { hidden: [hidden] },
  });
  const { args } = throughRunner(program, options, { ...context, cwd });
  const order = args.filter((_arg, at) => args[at + 1]?.startsWith("/home") === true);
  expect(order.filter((arg) => arg.startsWith("--") && arg !== "--chdir")).toEqual([first, second]);
});

test("bubblewrap hides the gateway's own folder, but for what is said to be writable in it", () => {
  const options = processOptions.parse({
    runner: "bubblewrap",
    bubblewrap: { writable: ["/srv/.signalbox/files"] },
  });
  const { args } = throughRunner(program, options, { ...context, home: "/srv/.signalbox" });
  expect(args.join(" ")).toContain(
    "--tmpfs /srv/.signalbox --bind /srv/.signalbox/files /srv/.signalbox/files",
  );
});

test("bubblewrap has the network where it is given", () => {
  const options = processOptions.parse({ runner: "bubblewrap", bubblewrap: { network: true } });
  expect(throughRunner(program, options, context).args).toContain("--share-net");
});

test("a container has the limits, the names of the variables, and a name to remove it by", () => {
  const options = processOptions.parse({
    runner: "container",
    memory_max: "256MiB",
    cpu_max: "90s",
    open_files_max: 512,
    container: { image: "mcp/files:1", engine: "podman", args: ["--read-only"] },
  });
  const run = throughRunner(program, options, context);
  const name = run.cleanup?.args.at(-1) ?? "";
  expect(name).toMatch(/^signalbox-files-[A-Za-z0-9]{12}$/);
  expect([run.command, ...run.args].join(" ")).toBe(
    `podman run --rm --interactive --init --name ${name}` +
      " --cap-drop ALL --security-opt no-new-privileges --network none" +
      " --memory 268435456b --memory-swap 268435456b --ulimit cpu=90 --ulimit nofile=512:512" +
      " --env TOKEN --volume /srv/files:/srv/files --workdir /srv/files" +
      " --entrypoint npx --read-only mcp/files:1 -y server",
  );
  expect(run.cleanup).toEqual({ command: "podman", args: ["rm", "--force", name] });
});

test("a container may run what its image runs", () => {
  const options = processOptions.parse({
    runner: "container",
    container: { image: "mcp/time", own_entrypoint: true, network: true },
  });
  const bare: RunContext = { name: "time", cwd: undefined, variables: [] };
  const { args } = throughRunner({ command: "time", args: ["--utc"] }, options, bare);
  expect(args.slice(-2)).toEqual(["mcp/time", "--utc"]);
  expect(args).not.toContain("--entrypoint");
  expect(args).not.toContain("--network");
});
