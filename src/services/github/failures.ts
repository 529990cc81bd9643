// What GitHub's refusals mean. Its limits answer 403 as well as 429, and its 404 also says "you may not see this".
// https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
import { retryAfterMs, type Clock, type FailedAnswer, type RestVerdict } from "@signalbox/kit";
import { z } from "zod";

const said = z.object({
  message: z.string().optional(),
  errors: z
    .array(
      z.union([
        z.string(),
        z.object({
          resource: z.string().optional(),
          field: z.string().optional(),
          code: z.string().optional(),
          message: z.string().nullish(),
        }),
      ]),
    )
    .optional(),
});

/** `classify` of a client; it remembers secondary limits, since those who run into one again must wait longer. */
export function githubFailures(clock: Clock): (answer: FailedAnswer) => RestVerdict | undefined {
  let secondaryMs = 0;
  let untilMs = -Infinity;
  const secondary = (): number => {
    const now = clock.monotonicMs();
    secondaryMs =
      now > untilMs + secondaryMs ? secondaryMsFirst : Math.min(secondaryMs * 2, secondaryMsMax);
    untilMs = now + secondaryMs;
    return secondaryMs;
  };

  return ({ status, headers, data }) => {
    const parsed = said.safeParse(data);
    const { message = "", errors = [] } = parsed.success ? parsed.data : {};
    if (status === 403 || status === 429) {
      const asked = retryAfterMs(headers.get("retry-after"), clock.now());
      const spent = headers.get("x-ratelimit-remaining") === "0";
      if (status === 429 || asked !== undefined || spent || secondaryLimit.test(message))
        return {
          kind: "throttled",
          message: message || "too many requests",
          retryAfterMs: asked ?? (spent ? untilReset(headers, clock) : undefined) ?? secondary(),
        };
      return refused(`${message || "forbidden"}${permission(headers)}`, "VENDOR_AUTH");
    }
    if (status === 401)
      return refused(
        `${message || "the credentials are wrong"}. Set GITHUB_PAT anew, or see whether the App is still installed`,
        "VENDOR_AUTH",
      );
    if (status === 404)
      return refused(
        "not found, or these credentials may not see it. See whether the names are right, and whether the App is installed on the repository",
        "NOT_FOUND",
      );
    if (status >= 301 && status <= 308)
      return refused(
        "the repository has moved. Ask for it by its new owner and name",
        "GITHUB_MOVED",
      );
    if (status === 422) {
      const details = errors.map(detail).filter((one) => one !== "");
      return refused([message || "not valid", ...details].join("; "), "VENDOR_REFUSED");
    }
    return undefined;
  };
}

const secondaryLimit = /secondary rate limit|abuse detection/i;
const secondaryMsFirst = 60_000;
const secondaryMsMax = 900_000;

function refused(message: string, code: string): RestVerdict {
  return { kind: "non_retryable", message, code };
}

function untilReset(headers: Headers, clock: Clock): number | undefined {
  const reset = Number(headers.get("x-ratelimit-reset"));
  return reset > 0 ? Math.max(1_000, reset * 1000 - clock.now()) : undefined;
}

function permission(headers: Headers): string {
  const accepted = headers.get("x-accepted-github-permissions") ?? "";
  return accepted === "" ? "" : `. The App or token needs the permission ${accepted.slice(0, 200)}`;
}

function detail(
  error:
    | string
    | {
        field?: string | undefined;
        code?: string | undefined;
        message?: string | null | undefined;
      },
): string {
  if (typeof error === "string") return error;
  return error.message ?? [error.field, error.code].filter((part) => part !== undefined).join(": ");
}
