// What answers say about limits, in the dialects of the vendors we know:
//
//   x-ratelimit-limit, -remaining, -reset, -resource     GitHub (reset in epoch seconds), Railway and many others
//   RateLimit, RateLimit-Policy                          the IETF draft's structured fields: Cloudflare, gateways
//   ratelimit-limit, -remaining, -reset                  its earlier form: reset in seconds from now
//   X-MinLimit-Remaining, X-DayLimit-Remaining, ...      Xero: what is left alone
//   x-amzn-RateLimit-Limit                               Amazon: requests a second
//
// Shopify's `extensions.cost` stands in the body: see `costReading`.

/** What one answer says of one limit. */
export interface RateReading {
  /** Which limit, as the plan names it; default the only one. */
  readonly name?: string;
  /** How many at once, or in a window. */
  readonly limit?: number;
  readonly remaining?: number;
  /** When it is whole again, epoch milliseconds. */
  readonly resetsAt?: number;
  /** How fast it fills again. */
  readonly perSecond?: number;
}

/** What the headers of an answer say of the vendor's limits; nothing where they say nothing. */
export function rateReadings(headers: Headers, nowMs: number): RateReading[] {
  return [
    ...structured(headers, nowMs),
    ...counted(headers, nowMs),
    ...leftOnly(headers),
    ...perSecond(headers),
  ];
}

/** What Shopify's `extensions.cost` says: points of a bucket that fills by itself. */
export function costReading(extensions: unknown): RateReading | undefined {
  const status = field(field(extensions, "cost"), "throttleStatus");
  const limit = field(status, "maximumAvailable");
  const remaining = field(status, "currentlyAvailable");
  const restored = field(status, "restoreRate");
  if (typeof limit !== "number" || typeof remaining !== "number" || typeof restored !== "number")
    return undefined;
  return { limit, remaining, perSecond: restored };
}

// `"default";r=50;t=30`, and the policy `"default";q=100;w=60`. Parameters this reads are integers, so no whole parser of
// structured fields is needed.
function structured(headers: Headers, nowMs: number): RateReading[] {
  const policies = new Map(items(headers.get("ratelimit-policy")));
  return items(headers.get("ratelimit")).map(([name, said]) => {
    const policy = policies.get(name);
    const limit = policy?.get("q") ?? said.get("q") ?? said.get("limit");
    const windowS = policy?.get("w") ?? said.get("w");
    const remaining = said.get("r") ?? said.get("remaining");
    const resetS = said.get("t") ?? said.get("reset");
    return {
      ...(name !== "" && { name }),
      ...(limit !== undefined && { limit }),
      ...(remaining !== undefined && { remaining }),
      ...(resetS !== undefined && { resetsAt: nowMs + resetS * 1000 }),
      ...(limit !== undefined && windowS !== undefined && { perSecond: limit / windowS }),
    };
  });
}

function items(value: string | null): [string, Map<string, number>][] {
  if (value === null) return [];
  return value
    .slice(0, headerLengthMax)
    .split(",")
    .map((item): [string, Map<string, number>] => {
      const [first = "", ...rest] = item.split(";").map((part) => part.trim());
      // The drafts before the eighth had no name: `limit=100, remaining=50, reset=30`.
      const bare = first.includes("=");
      const parameters = new Map<string, number>();
      for (const parameter of bare ? [first, ...rest] : rest) {
        const [key = "", text = ""] = parameter.split("=");
        const number = Number(text);
        if (text !== "" && Number.isFinite(number)) parameters.set(key.toLowerCase(), number);
      }
      return [bare ? "" : first.replaceAll('"', ""), parameters];
    })
    .reduce<[string, Map<string, number>][]>((merged, [name, parameters]) => {
      const last = merged.at(-1);
      if (name === "" && last !== undefined && last[0] === "")
        for (const [key, number] of parameters) last[1].set(key, number);
      else merged.push([name, parameters]);
      return merged;
    }, [])
    .filter(([, parameters]) => parameters.size > 0);
}

function counted(headers: Headers, nowMs: number): RateReading[] {
  for (const prefix of ["x-ratelimit-", "ratelimit-", "x-rate-limit-"]) {
    const limit = numberOf(headers.get(`${prefix}limit`));
    const remaining = numberOf(headers.get(`${prefix}remaining`));
    if (limit === undefined && remaining === undefined) continue;
    const resetsAt = resetOf(headers.get(`${prefix}reset`), nowMs);
    const name = headers.get(`${prefix}resource`);
    return [
      {
        ...(name !== null && { name }),
        ...(limit !== undefined && { limit }),
        ...(remaining !== undefined && { remaining }),
        ...(resetsAt !== undefined && { resetsAt }),
      },
    ];
  }
  return [];
}

// Seconds or milliseconds since 1970, seconds from now, or a date: told apart by their size.
function resetOf(value: string | null, nowMs: number): number | undefined {
  const number = numberOf(value);
  if (number === undefined) {
    const at = value === null ? Number.NaN : Date.parse(value);
    return Number.isNaN(at) ? undefined : at;
  }
  if (number > 1e11) return number;
  return number > 1e9 ? number * 1000 : nowMs + number * 1000;
}

const leftNames: readonly (readonly [header: string, name: string])[] = [
  ["x-minlimit-remaining", "minute"],
  ["x-daylimit-remaining", "day"],
  ["x-appminlimit-remaining", "appminute"],
];

function leftOnly(headers: Headers): RateReading[] {
  return leftNames.flatMap(([header, name]) => {
    const remaining = numberOf(headers.get(header));
    return remaining === undefined ? [] : [{ name, remaining }];
  });
}

function perSecond(headers: Headers): RateReading[] {
  const rate = numberOf(headers.get("x-amzn-ratelimit-limit"));
  return rate === undefined || rate <= 0 ? [] : [{ perSecond: rate }];
}

function numberOf(value: string | null): number | undefined {
  const text = value?.split(",")[0]?.trim() ?? "";
  return /^\d{1,16}(\.\d{1,9})?$/.test(text) ? Number(text) : undefined;
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

const headerLengthMax = 2_000;
