// A child gets only what programs need to run at all, plus what its server's options name. Everything else
// in our environment (keys, database addresses, our own settings) stays here.

const always = new Set([
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "SHELL",
  "TERM",
  "LANG",
  "TZ",
  "TMPDIR",
]);
const alwaysOnWindows = new Set([
  "APPDATA",
  "COMSPEC",
  "HOMEDRIVE",
  "HOMEPATH",
  "LOCALAPPDATA",
  "NUMBER_OF_PROCESSORS",
  "PATHEXT",
  "PROCESSOR_ARCHITECTURE",
  "PROGRAMDATA",
  "PROGRAMFILES",
  "SYSTEMDRIVE",
  "SYSTEMROOT",
  "TEMP",
  "TMP",
  "USERNAME",
  "USERPROFILE",
  "WINDIR",
]);

/** The environment of a child: the allow-list out of `ours`, the names in `allow`, then `set` over both. */
export function childEnvironment(
  ours: NodeJS.ProcessEnv,
  options: { allow?: readonly string[] | undefined; set?: Record<string, string> | undefined },
): Record<string, string> {
  const allowed = new Set(options.allow);
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(ours)) {
    if (value !== undefined && (allowed.has(name) || passes(name, value)))
      environment[name] = value;
  }
  return Object.assign(environment, options.set);
}

function passes(name: string, value: string): boolean {
  if (value.startsWith("()")) return false; // an exported shell function
  if (always.has(name) || name.startsWith("LC_") || name.startsWith("XDG_")) return true;
  if (process.platform !== "win32") return false;
  const upper = name.toUpperCase();
  return always.has(upper) || alwaysOnWindows.has(upper);
}
