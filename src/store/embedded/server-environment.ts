/** The environment of the database's processes: nothing of ours, which may hold secrets, beyond what they need to run. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  const kept = ["PATH", "TMPDIR", "TEMP", "TMP", "SystemRoot", "LD_LIBRARY_PATH"];
  const inherited = kept.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  // With a known time zone and locale PostgreSQL does not search the system for them.
  return { ...Object.fromEntries(inherited), LC_ALL: "C", LANG: "C", TZ: "UTC" };
}
