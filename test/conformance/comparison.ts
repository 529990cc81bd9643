import type { Check, Outcome } from "./suite.ts";

/** A check that passes directly and does not through the gateway. */
export interface Loss {
  readonly scenario: string;
  readonly check: string;
  readonly through: string;
  readonly message: string;
}

/**
 * What the gateway loses: every check that succeeds directly and is anything but a success through it, absent and
 * skipped included, unless `optionalChecks` says why. A check that occurs several times in a scenario counts by its
 * worst occurrence.
 */
export function losses(direct: Outcome, through: Outcome): Loss[] {
  return [...direct].flatMap(([scenario, checks]) =>
    lostChecks(checks, through.get(scenario) ?? []).map((loss) => ({ scenario, ...loss })),
  );
}

/** The checks of one scenario that succeed directly only. */
export function lostChecks(
  direct: readonly Check[],
  through: readonly Check[],
): Omit<Loss, "scenario">[] {
  const after = worstByCheck(through);
  return [...worstByCheck(direct)]
    .filter(([, check]) => check.status === "SUCCESS")
    .filter(([key, check]) => !isKept(check.id, after.get(key)))
    .map(([key]) => describeLoss(key, after.get(key)));
}

function isKept(id: string, through: Check | undefined): boolean {
  const status = through?.status ?? "ABSENT";
  return status === "SUCCESS" || status === optionalChecks[id]?.reported;
}

type Reported = Check["status"] | "ABSENT";

/**
 * Checks of what the protocol leaves to each party, where the gateway chose otherwise than our server or client; a suite
 * then reports the status named here, which is not a failure.
 */
export const optionalChecks: Readonly<
  Record<string, { reported: Reported; why: string } | undefined>
> = {
  "server-sse-streams-functional": {
    reported: "INFO",
    why: "the gateway answers lists as JSON, not as event streams",
  },
  "server-sse-priming-event": unpolled(),
  "server-sse-retry-field": unpolled(),
  "server-sse-disconnect-resume": unpolled(),
  "sep-2575-client-declares-roots-capability": undeclared(),
  "sep-2575-client-declares-sampling-capability": undeclared(),
  "sep-2575-client-declares-elicitation-capability": undeclared(),
};

function unpolled(): { reported: "ABSENT"; why: string } {
  const why =
    "a server that closes its stream is resumed by the gateway; the client's call stays open";
  return { reported: "ABSENT", why };
}

function undeclared(): { reported: "SKIPPED"; why: string } {
  const why = "capabilities are declared with a caller's request, and this server offers no call";
  return { reported: "SKIPPED", why };
}

/** A table `scenario | direct | through` of passed and other checks, for people. */
export function table(direct: Outcome, through: Outcome): string {
  const scenarios = [...direct.keys()];
  const width = Math.max(8, ...scenarios.map((scenario) => scenario.length));
  const row = (name: string, first: string, second: string): string =>
    `${name.padEnd(width)} | ${first.padStart(9)} | ${second.padStart(9)}`;
  return [
    row("scenario", "direct", "through"),
    ...scenarios.map((scenario) =>
      row(scenario, score(direct.get(scenario)), score(through.get(scenario))),
    ),
  ].join("\n");
}

function describeLoss(key: string, check: Check | undefined): Omit<Loss, "scenario"> {
  return {
    check: key,
    through: check?.status ?? "ABSENT",
    message: `${check?.errorMessage ?? ""} ${JSON.stringify(check?.details ?? null)}`.slice(0, 600),
  };
}

function worstByCheck(checks: readonly Check[]): Map<string, Check> {
  const worst = new Map<string, Check>();
  for (const check of checks) {
    const key = check.id === check.name ? check.id : `${check.id} (${check.name})`;
    const known = worst.get(key);
    if (!known || severity[check.status] > severity[known.status]) worst.set(key, check);
  }
  return worst;
}

const severity = { INFO: 0, SUCCESS: 1, SKIPPED: 2, WARNING: 3, FAILURE: 4 } as const;

function score(checks: readonly Check[] = []): string {
  const counted = checks.filter((check) => check.status !== "INFO" && check.status !== "SKIPPED");
  return `${counted.filter((check) => check.status === "SUCCESS").length}/${counted.length}`;
}
