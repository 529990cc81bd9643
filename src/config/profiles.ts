// A profile is a set of defaults for one use; whatever is set anywhere else wins over it.

export const profileNames = ["development", "test", "production"] as const;
export type ProfileName = (typeof profileNames)[number];

/** The settings a profile changes, as in the file. `terminal` tells whether a person reads standard output. */
export function profileSettings(name: ProfileName, terminal: boolean): Record<string, unknown> {
  return profiles[name](terminal);
}

const profiles: Record<ProfileName, (terminal: boolean) => Record<string, unknown>> = {
  // On one's own machine: lines for people, where a person looks on.
  development: (terminal) => (terminal ? { log: { format: "pretty" } } : {}),

  // Under a test runner: quiet, on ports that are free, and gone at once when stopped.
  test: () => ({
    port: 0,
    metrics: { port: 0 },
    log: { level: "warn", format: "json" },
    limits: { drain: "1s" },
  }),

  // For a team: lines for machines, also on a terminal, and time for calls under way when a new version is rolled out.
  // Switching authentication off is refused, also on loopback. What a tool says of itself changes with somebody's approval.
  production: () => ({
    log: { level: "info", format: "json" },
    limits: { drain: "25s" },
    pins: { policy: "block" },
  }),
};
