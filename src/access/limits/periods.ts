/** The stretches of time that a quota is for: calendar days and months of UTC. */
export const periods = ["day", "month"] as const;
export type Period = (typeof periods)[number];

/** When the period that holds `at` began, and when the next one does, epoch milliseconds. */
export function periodAt(period: Period, at: number): { startsAt: number; endsAt: number } {
  const date = new Date(at);
  const year = date.getUTCFullYear();
  const month = date.getUTCMonth();
  const day = date.getUTCDate();
  return period === "day"
    ? { startsAt: Date.UTC(year, month, day), endsAt: Date.UTC(year, month, day + 1) }
    : { startsAt: Date.UTC(year, month), endsAt: Date.UTC(year, month + 1) };
}
