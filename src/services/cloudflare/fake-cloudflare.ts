/** A Cloudflare for tests: accounts, zones, records, videos, uploads and analytics that change as they are written. */
import { jsonResponse, type FakeClock, type SeenRequest } from "@signalbox/kit/testing";
import { buildSchema, graphqlSync } from "graphql";

export const accountId = "a".repeat(32);
export const zoneId = "b".repeat(32);
export const goodToken = "token-of-tests-0001";

interface FakeOptions {
  readonly clock: FakeClock;
  /** Requests in five minutes. */
  readonly limit?: number;
}

interface Upload {
  readonly uid: string;
  readonly length: number;
  readonly metadata: string;
  text: string;
}

type Row = Record<string, unknown>;

/** Answers requests below `/client/v4`. */
export class FakeCloudflare {
  readonly zones = new Map<string, Row>([[zoneId, zoneOf(zoneId, "example.com")]]);
  readonly records = new Map<string, Row>();
  readonly videos = new Map<string, Row>();
  readonly uploads = new Map<string, Upload>();
  readonly purged: unknown[] = [];
  tokenStatus = "active";
  /** Whether the token belongs to the account rather than to a user. */
  tokenOfAccount = false;
  accounts: Row[] = [{ id: accountId, name: "Tests" }];
  /** Answers given instead of the next ones that it fits; undefined lets the request through. */
  readonly instead: ((request: SeenRequest) => Response | "broken" | undefined)[] = [];
  readonly #options: FakeOptions;
  #counted = 0;
  #windowFromMs = 0;
  #made = 0;

  constructor(options: FakeOptions) {
    this.#options = options;
  }

  readonly answer = (request: SeenRequest): Response => {
    const instead = this.instead[0]?.(request);
    if (instead !== undefined) {
      this.instead.shift();
      if (instead === "broken") throw new Error("socket hang up");
      return instead;
    }
    const refused = this.#refusal(request);
    if (refused !== undefined) return refused;
    const response = this.#routed(request);
    const { limit = 1200 } = this.#options;
    response.headers.set("ratelimit", `"default";r=${limit - this.#counted};t=300`);
    response.headers.set("ratelimit-policy", `"default";q=${limit};w=300`);
    return response;
  };

  /** Does what a request asks; its answer is lost. */
  lose(request: SeenRequest): "broken" {
    this.#routed(request);
    return "broken";
  }

  #refusal({ headers }: SeenRequest): Response | undefined {
    const nowMs = this.#options.clock.now();
    if (nowMs - this.#windowFromMs >= 300_000) {
      this.#windowFromMs = nowMs;
      this.#counted = 0;
    }
    if (++this.#counted > (this.#options.limit ?? 1200))
      return failed(429, 10_429, "Please wait and consider throttling your request speed", {
        "retry-after": String(Math.ceil((300_000 - (nowMs - this.#windowFromMs)) / 1000)),
      });
    const token = headers["authorization"] === `Bearer ${goodToken}`;
    const key =
      headers["x-auth-key"] === "global-key-of-tests" && headers["x-auth-email"] === "a@b.example";
    if (!token && !key) return failed(401, 10_000, "Authentication error");
    if (token && this.tokenStatus === "expired") return failed(401, 1000, "Invalid API Token");
    return undefined;
  }

  #routed(request: SeenRequest): Response {
    const { method, url } = request;
    const [place = "", ...parts] = url.pathname.replace(/^\/client\/v4\//, "").split("/");
    if (place === "user" && this.tokenOfAccount) return failed(401, 1000, "Invalid API Token");
    if (place === "user") return answered({ id: "c".repeat(32), status: this.tokenStatus });
    if (place === "accounts" && parts.length === 0) return paged(this.accounts, url);
    if (place === "accounts" && parts[1] === "tokens")
      return answered({ id: "c".repeat(32), status: this.tokenStatus });
    if (place === "accounts" && parts[1] === "stream") return this.#stream(request, parts.slice(2));
    if (place === "graphql") return this.#analytics(request);
    if (place === "zones" && parts.length === 0)
      return method === "POST" ? this.#newZone(request) : this.#zoneList(url);
    const [zone = "", what, record] = parts;
    const found = this.zones.get(zone);
    if (found === undefined) return failed(404, 7003, "Could not route to the zone");
    if (what === "dns_records") return this.#dns(request, String(found["name"]), record);
    if (what === "dns_analytics") return answered(reportOf(url));
    if (what === "purge_cache") {
      this.purged.push(request.json);
      return answered({ id: zone });
    }
    if (method === "DELETE") {
      this.zones.delete(zone);
      return answered({ id: zone });
    }
    if (method === "PATCH") Object.assign(found, request.json);
    return answered(found);
  }

  #zoneList(url: URL): Response {
    const name = url.searchParams.get("name");
    const status = url.searchParams.get("status");
    return paged(
      [...this.zones.values()].filter(
        (zone) =>
          (name === null || zone["name"] === name) &&
          (status === null || zone["status"] === status),
      ),
      url,
    );
  }

  #newZone({ json }: SeenRequest): Response {
    const name = String(fieldOf(json, "name"));
    if ([...this.zones.values()].some((zone) => zone["name"] === name))
      return failed(400, 1061, `${name} already exists`);
    const id = this.#id();
    const zone = { ...zoneOf(id, name), status: "pending", type: fieldOf(json, "type") };
    this.zones.set(id, zone);
    return answered(zone);
  }

  #dns({ method, url, json }: SeenRequest, zone: string, id: string | undefined): Response {
    if (id === undefined && method === "POST") return this.#newRecord(json, zone);
    if (id === undefined) {
      const asked = ["type", "name", "content"] as const;
      return paged(
        [...this.records.values()].filter((record) =>
          asked.every((field) => [null, record[field]].includes(url.searchParams.get(field))),
        ),
        url,
      );
    }
    const found = this.records.get(id);
    if (found === undefined) return failed(404, 81_044, "Record does not exist.");
    if (method === "DELETE") {
      this.records.delete(id);
      return jsonResponse({ result: { id } });
    }
    if (method === "PATCH") Object.assign(found, json);
    return answered(found);
  }

  #newRecord(json: unknown, zone: string): Response {
    const given = Object(json);
    const name = given.name === "@" ? zone : given.name;
    const others = [...this.records.values()].filter((record) => record["name"] === name);
    if (others.some(({ type, content }) => type === given.type && content === given.content))
      return failed(400, 81_058, "An identical record already exists.");
    if (others.some(({ type }) => (type === "CNAME") !== (given.type === "CNAME")))
      return failed(400, 81_053, "An A, AAAA, or CNAME record with that host already exists.");
    const made = "2026-01-01T00:00:00Z";
    const parts = given.data;
    const record = {
      proxied: false,
      ...given,
      id: this.#id(),
      name,
      ...(parts !== undefined && { content: Object.values(parts).join(" ") }),
      proxiable: true,
      tags: [],
      created_on: made,
      modified_on: made,
    };
    this.records.set(record.id, record);
    return answered(record);
  }

  #stream(request: SeenRequest, [id, more]: string[]): Response {
    const { method, url, json, headers } = request;
    if (id === undefined && method === "GET") return this.#videoList(url);
    if (id === undefined) return this.#newUpload(headers);
    if (id === "copy") return answered(this.#newVideo(json, "downloading"));
    if (id === "direct_upload") {
      const { uid } = this.#newVideo(json, "pendingupload");
      return answered({ uid, uploadURL: `https://upload.videodelivery.net/${String(uid)}` });
    }
    if (id === "storage-usage")
      return answered({
        totalStorageMinutes: 12,
        totalStorageMinutesLimit: 1000,
        videoCount: this.videos.size,
      });
    if (more === "upload") return this.#chunk(request, id);
    const found = this.videos.get(id);
    if (found === undefined) return failed(404, 10_003, "Not Found");
    if (method === "DELETE") {
      this.videos.delete(id);
      return new Response(null, { status: 200 });
    }
    if (method === "POST") Object.assign(found, json);
    return answered(found);
  }

  #videoList(url: URL): Response {
    const search = url.searchParams.get("search") ?? "";
    const status = url.searchParams.get("status");
    return answered(
      [...this.videos.values()].filter((video) => {
        const state = fieldOf(video["status"], "state");
        return (
          String(fieldOf(video["meta"], "name")).includes(search) &&
          (status === null || status === state)
        );
      }),
    );
  }

  #newVideo(json: unknown, state: string): Row {
    const { url: _url, expiry: _expiry, ...given } = Object(json);
    const uid = this.#id();
    const created = new Date(this.#options.clock.now()).toISOString();
    const video = {
      meta: {},
      ...given,
      uid,
      status: { state, pctComplete: "0" },
      readyToStream: false,
      duration: -1,
      size: 0,
      created,
      playback: { hls: `https://customer.cloudflarestream.com/${uid}/manifest/video.m3u8` },
    };
    this.videos.set(uid, video);
    return video;
  }

  #newUpload(headers: SeenRequest["headers"]): Response {
    const { uid } = this.#newVideo({}, "pendingupload");
    const id = String(uid);
    const metadata = headers["upload-metadata"] ?? "";
    this.uploads.set(id, { uid: id, length: Number(headers["upload-length"]), metadata, text: "" });
    const location = `https://api.cloudflare.com/client/v4/accounts/${accountId}/stream/${id}/upload?tusv2=true`;
    return new Response(null, { status: 201, headers: { location, "stream-media-id": id } });
  }

  #chunk({ method, headers, text }: SeenRequest, id: string): Response {
    const upload = this.uploads.get(id);
    if (upload === undefined || headers["tus-resumable"] !== "1.0.0")
      return new Response(null, { status: 404 });
    const at = upload.text.length;
    if (method === "PATCH") {
      if (Number(headers["upload-offset"]) !== at) return new Response(null, { status: 409 });
      const last = at + text.length === upload.length;
      if (!last && (text.length < 5_242_880 || text.length % 262_144 !== 0))
        return new Response("chunk size", { status: 400 });
      this.take(id, text);
    }
    return new Response(null, {
      status: method === "PATCH" ? 204 : 200,
      headers: {
        "upload-offset": String(upload.text.length),
        "upload-length": String(upload.length),
      },
    });
  }

  /** What arrived of an upload; where it is whole, its video is queued. */
  take(id: string, text: string): void {
    const upload = this.uploads.get(id);
    if (upload === undefined) return;
    upload.text += text;
    if (upload.text.length !== upload.length) return;
    Object.assign(this.videos.get(id) ?? {}, { status: { state: "queued" }, size: upload.length });
  }

  #analytics({ json }: SeenRequest): Response {
    const { data, errors } = graphqlSync({
      schema: analyticsSchema,
      source: String(fieldOf(json, "query")),
      variableValues: Object(fieldOf(json, "variables")),
      rootValue: {
        viewer: { zones: ({ filter }: { filter: { zoneTag: string } }) => zoneGroups(filter) },
      },
    });
    return jsonResponse({ data: data ?? null, errors: errors ?? null });
  }

  #id(): string {
    return (++this.#made).toString(16).padStart(32, "0");
  }
}

function answered(result: unknown, info?: Row): Response {
  return jsonResponse({
    success: true,
    errors: [],
    messages: [],
    result,
    ...(info !== undefined && { result_info: info }),
  });
}

function paged(rows: readonly Row[], url: URL): Response {
  const page = Number(url.searchParams.get("page") ?? 1);
  const perPage = Number(url.searchParams.get("per_page") ?? 20);
  const shown = rows.slice((page - 1) * perPage, page * perPage);
  return answered(shown, {
    page,
    per_page: perPage,
    count: shown.length,
    total_count: rows.length,
    total_pages: Math.ceil(rows.length / perPage),
  });
}

/** A refusal in Cloudflare's form. */
export function failed(
  status: number,
  code: number,
  message: string,
  headers: Record<string, string> = {},
): Response {
  const body = { success: false, errors: [{ code, message }], messages: [], result: null };
  return jsonResponse(body, { status, headers });
}

function zoneOf(id: string, name: string): Row {
  const made = "2026-01-01T00:00:00Z";
  return {
    id,
    name,
    status: "active",
    paused: false,
    type: "full",
    development_mode: 0,
    owner: {},
    account: { id: accountId, name: "Tests" },
    meta: {},
    plan: { name: "Free Website" },
    name_servers: ["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"],
    original_name_servers: null,
    original_registrar: null,
    original_dnshost: null,
    created_on: made,
    modified_on: made,
    activated_on: made,
  };
}

function reportOf(url: URL): Row {
  const list = (name: string): string[] => url.searchParams.get(name)?.split(",") ?? [];
  const metrics = list("metrics");
  const dimensions = list("dimensions");
  return {
    rows: 1,
    data: [{ dimensions: dimensions.map((one) => `some ${one}`), metrics: metrics.map(() => 7) }],
    totals: Object.fromEntries(metrics.map((one) => [one, 7])),
    min: {},
    max: {},
    data_lag: 0,
    query: {
      dimensions,
      metrics,
      since: url.searchParams.get("since"),
      until: url.searchParams.get("until"),
      limit: Number(url.searchParams.get("limit")),
    },
  };
}

function zoneGroups({ zoneTag }: { zoneTag: string }): unknown[] {
  if (zoneTag !== zoneId) return [];
  const sum = {
    requests: 10,
    bytes: 2048,
    cachedRequests: 4,
    cachedBytes: 512,
    encryptedRequests: 9,
    threats: 1,
    pageViews: 3,
  };
  const points = (name: string, values: readonly string[]) =>
    values.map((value) => ({ dimensions: { [name]: value }, sum, uniq: { uniques: 2 } }));
  return [
    {
      httpRequests1dGroups: points("date", ["2025-12-30", "2025-12-31"]),
      httpRequests1hGroups: points("datetime", ["2025-12-31T22:00:00Z", "2025-12-31T23:00:00Z"]),
      httpRequestsAdaptiveGroups: [
        {
          count: 40,
          dimensions: { clientCountryName: "PT", edgeResponseStatus: 200 },
          sum: { edgeResponseBytes: 999, visits: 12 },
        },
      ],
    },
  ];
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

// The part of the analytics' schema that is asked for, as the vendor's documentation has it.
const analyticsSchema = buildSchema(`
  scalar Date
  scalar Time
  scalar string
  scalar uint64
  input ZoneFilter { zoneTag: string }
  input DayFilter { date_geq: Date, date_leq: Date }
  input TimeFilter { datetime_geq: Time, datetime_lt: Time }
  enum DayOrder { date_ASC date_DESC }
  enum HourOrder { datetime_ASC datetime_DESC }
  enum AdaptiveOrder { count_ASC count_DESC }
  type Sum { requests: uint64! bytes: uint64! cachedRequests: uint64! cachedBytes: uint64! encryptedRequests: uint64! encryptedBytes: uint64! threats: uint64! pageViews: uint64! }
  type Uniq { uniques: uint64! }
  type DayDimensions { date: Date! }
  type HourDimensions { datetime: Time! }
  type Day { dimensions: DayDimensions sum: Sum uniq: Uniq }
  type Hour { dimensions: HourDimensions sum: Sum uniq: Uniq }
  type AdaptiveDimensions { clientCountryName: string clientRequestHTTPHost: string clientRequestPath: string edgeResponseStatus: uint64 cacheStatus: string clientRequestHTTPMethodName: string }
  type AdaptiveSum { edgeResponseBytes: uint64! visits: uint64! }
  type Adaptive { count: uint64! dimensions: AdaptiveDimensions sum: AdaptiveSum }
  type Zone {
    httpRequests1dGroups(limit: uint64!, filter: DayFilter!, orderBy: [DayOrder!]): [Day!]!
    httpRequests1hGroups(limit: uint64!, filter: TimeFilter!, orderBy: [HourOrder!]): [Hour!]!
    httpRequestsAdaptiveGroups(limit: uint64!, filter: TimeFilter!, orderBy: [AdaptiveOrder!]): [Adaptive!]!
  }
  type Viewer { zones(filter: ZoneFilter!): [Zone!]! }
  type Query { viewer: Viewer! }
`);
