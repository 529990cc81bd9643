export const severities = ["low", "medium", "high"] as const;
export type Severity = (typeof severities)[number];

/** Something about a definition that a person should look at before trusting it. */
export interface Finding {
  /** What kind of thing it is, such as "hidden.tags". */
  readonly id: string;
  readonly severity: Severity;
  /** Where, as a JSON pointer into the definition. */
  readonly where: string;
  readonly message: string;
  /** The place itself, what is hidden made visible. */
  readonly excerpt?: string;
}

export function isAtLeast(severity: Severity, threshold: Severity): boolean {
  return severities.indexOf(severity) >= severities.indexOf(threshold);
}
