// A profile is a set of defaults for one use; whatever is set anywhere else wins over it.

export const profileNames = ["development", "test", "production"] as const;
export type ProfileName = (typeof profileNames)[number];

/** What else decides on a profile's settings. */
export interface Situation {
  /** A person reads standard output. */
  readonly terminal: boolean;
  /** Somebody named the profile; otherwise it applies because none was named. */
  readonly chosen: boolean;
}

/** The settings a profile changes, as in the file. */
export function profileSettings(name: ProfileName, situation: Situation): Record<string, unknown> {
  return profiles[name](situation);
}

const profiles: Record<ProfileName, (situation: Situation) => Record<string, unknown>> = {
  // On one's own machine: lines for people, where a person looks on. Who says it is for development needs no key on this
  // machine; a gateway of which nobody said anything asks for one.
  development: ({ terminal, chosen }) => ({
    ...(terminal && { log: { format: "pretty" } }),
    ...(chosen && { auth: { loopback_bypass: true } }),
  }),

  // Under a test runner: quiet, on ports that are free, and gone at once when stopped.
  test: () => ({
    port: 0,
    metrics: { port: 0 },
    log: { level: "warn", format: "json" },
    limits: { drain: "1s" },
  }),

  // For a team: lines for machines, also on a terminal, and time for calls under way when a new version is rolled out.
  // Switching authentication off is refused, also on loopback. No caller takes more than its share, and what a tool says of itself changes with somebody's approval.
  production: () => ({
    log: { level: "info", format: "json" },
    limits: { drain: "25s" },
    rate_limit: { max: 100 },
    pins: { policy: "block" },
  }),
};
