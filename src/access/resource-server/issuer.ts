/** One issuer of access tokens: what it publishes about itself, its keys, and its word on a token. */
import { z } from "zod";
import { SignalboxError, type Clock } from "../../foundation/index.ts";
import type { FetchJson } from "../fetch-json.ts";
import { KeySet } from "./key-set.ts";
import type { IssuerOptions } from "./oauth-options.ts";
import type { Claims } from "./token-principal.ts";

export interface IssuerDeps {
  readonly fetchJson: FetchJson;
  readonly clock: Clock;
}

export class Issuer {
  readonly name: string;
  readonly options: IssuerOptions;
  readonly keys: KeySet;
  readonly #deps: IssuerDeps;
  #metadata: { readonly read: Promise<Metadata>; readonly at: number } | undefined;

  constructor(name: string, options: IssuerOptions, deps: IssuerDeps) {
    this.name = name;
    this.options = options;
    this.#deps = deps;
    this.keys = new KeySet({
      ...deps,
      url: async () => options.jwks_url ?? this.#addressOf("jwks_uri"),
    });
  }

  /** What the issuer says of a token (RFC 7662); undefined where it does not count it as valid. Throws AUTH_UNAVAILABLE. */
  async introspect(token: string): Promise<Claims | undefined> {
    const { client_id = "", client_secret = "", introspection_url } = this.options;
    const url = introspection_url ?? (await this.#addressOf("introspection_endpoint"));
    const { status, body } = await this.#deps.fetchJson(url, {
      signal: AbortSignal.timeout(DEADLINE_MS),
      bytesMax: BYTES_MAX,
      form: { token, token_type_hint: "access_token" },
      headers: { authorization: basic(client_id, client_secret) },
    });
    const answer = introspectionShape.safeParse(body);
    if (status !== 200 || !answer.success) {
      throw new SignalboxError(
        "AUTH_UNAVAILABLE",
        `The issuer "${this.name}" did not answer about a token (HTTP ${status}).`,
      );
    }
    return answer.data.active ? answer.data : undefined;
  }

  async #addressOf(member: keyof Metadata): Promise<string> {
    const now = this.#deps.clock.monotonicMs();
    if (this.#metadata === undefined || now - this.#metadata.at > METADATA_AGE_MAX_MS) {
      const read = this.#readMetadata();
      this.#metadata = { read, at: now };
      // The next token asks again; what failed is told to those who wait for it.
      read.catch(() => {
        if (this.#metadata?.read === read) this.#metadata = undefined;
      });
    }
    const address = (await this.#metadata.read)[member];
    if (typeof address === "string") return address;
    throw new SignalboxError(
      "AUTH_UNAVAILABLE",
      `The metadata of the issuer "${this.name}" has no ${member}.`,
    );
  }

  async #readMetadata(): Promise<Metadata> {
    let failure: unknown;
    for (const url of metadataAddresses(this.options.issuer)) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- one address after the other, in their order
        const { status, body } = await this.#deps.fetchJson(url, {
          signal: AbortSignal.timeout(DEADLINE_MS),
          bytesMax: BYTES_MAX,
        });
        const read = metadataShape.safeParse(body);
        // A document that calls itself otherwise is somebody else's.
        if (status === 200 && read.success && read.data.issuer === this.options.issuer) {
          return read.data;
        }
      } catch (error) {
        failure = error;
      }
    }
    throw new SignalboxError(
      "AUTH_UNAVAILABLE",
      `The metadata of the issuer "${this.name}" was not found.`,
      failure === undefined ? {} : { cause: failure },
    );
  }
}

/** Where an issuer's metadata may be, in the order of the protocol: OAuth's place, then OpenID's two. */
function metadataAddresses(issuer: string): string[] {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, "");
  const inserted = ["oauth-authorization-server", "openid-configuration"].map(
    (name) => `${origin}/.well-known/${name}${path}`,
  );
  return path === ""
    ? inserted
    : [...inserted, `${origin}${path}/.well-known/openid-configuration`];
}

// RFC 6749, section 2.3.1: both are encoded as in a form first.
function basic(id: string, secret: string): string {
  const encoded = [id, secret].map((part) => new URLSearchParams({ v: part }).toString().slice(2));
  return `Basic ${Buffer.from(encoded.join(":")).toString("base64")}`;
}

const address = z.url({ protocol: /^https?$/ });
const metadataShape = z.object({
  issuer: z.string(),
  jwks_uri: address.optional(),
  introspection_endpoint: address.optional(),
});
type Metadata = z.output<typeof metadataShape>;

const introspectionShape = z.looseObject({ active: z.boolean() });

const DEADLINE_MS = 5_000;
const BYTES_MAX = 65_536;
const METADATA_AGE_MAX_MS = 3_600_000;
