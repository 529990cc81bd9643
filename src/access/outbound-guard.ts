// Where the gateway may go when somebody else named the address: metadata documents, authorization servers, token
// endpoints, redirects. Whoever can make a gateway fetch an address of their choice reaches what only the gateway
// reaches: the machine itself, its network, the cloud's metadata service. So an address must be https, carry no
// credentials, and lead to a public address; what is not known to be public is refused, for IPv6 everything outside of
// global unicast. An address is judged after its name was looked up, and the connection is made to the very address that
// was judged (`outbound-fetch.ts`).
import { BlockList, isIP, isIPv4 } from "node:net";
import { z } from "zod";
import { duration } from "../foundation/index.ts";

const KiB = 1024;

/** `[outbound]`: where the gateway may go when a server or a client names the address. */
export const outboundOptions = z.strictObject({
  /** Exceptions, for local development and for what stands in the own network. */
  allow: z
    .array(
      z
        .string()
        .refine(
          (entry) => placeOf(entry) !== undefined,
          'must be an address, a range or a name, with or without a port, such as "127.0.0.1:*", "10.0.0.0/8" or "login.internal:443"',
        ),
    )
    .max(1000)
    .default([]),
  /** Ranges that are refused though they look public, such as a network's own NAT64 prefix. */
  deny: z
    .array(
      z
        .string()
        .refine(
          (entry) => placeOf(entry)?.kind === "range",
          'must be an address or a range, such as "2001:db8:64::/96"',
        ),
    )
    .max(1000)
    .default([]),
  /** Longest request, lookups and redirects included. */
  timeout: duration.default(10_000),
  /** Largest answer that is read. */
  response_bytes_max: z
    .int()
    .min(KiB)
    .max(64 * KiB * KiB)
    .default(256 * KiB),
});

export type OutboundOptions = z.output<typeof outboundOptions>;

/** Judges addresses; built once of `[outbound]`. */
export class OutboundGuard {
  readonly #allowed: readonly Place[];
  readonly #denied: readonly Place[];

  constructor({ allow, deny }: Pick<OutboundOptions, "allow" | "deny">) {
    this.#allowed = allow.flatMap((entry) => placeOf(entry) ?? []);
    this.#denied = deny.flatMap((entry) => placeOf(entry) ?? []);
  }

  /** What stands against a URL before its name is looked up; undefined where nothing does. */
  problemOfUrl(url: URL): string | undefined {
    if (url.href.length > URL_LENGTH_MAX) return "the address is too long";
    if (url.protocol !== "https:" && url.protocol !== "http:")
      return `the address is not one of https (${url.protocol.slice(0, 20)})`;
    if (url.username !== "" || url.password !== "")
      return "the address carries a user name or password";
    return undefined;
  }

  /** What stands against reaching `url` at `address`, to which its name was resolved; undefined where nothing does. */
  problemOfAddress(url: URL, address: string): string | undefined {
    const port = portOf(url);
    if (this.#denied.some((place) => covers(place, url, address, port)))
      return `${address} is refused by outbound.deny`;
    const allowed = this.#allowed.some((place) => covers(place, url, address, port));
    if (url.protocol === "http:" && !(allowed && isLoopback(address)))
      return "the address is not one of https, and not an allowed one of this machine";
    if (allowed || isPublic(address)) return undefined;
    return `${address} is not a public address, and outbound.allow does not name it`;
  }
}

/** Whether an address is one that anybody on the internet can be reached at, as far as registries know. */
export function isPublic(address: string): boolean {
  if (isIPv4(address)) return !special4.check(address, "ipv4");
  // A zone ("%eth0") only makes sense on the local link.
  if (isIP(address) === 0 || address.includes("%")) return false;
  return globalUnicast.check(address, "ipv6") && !special6.check(address, "ipv6");
}

function isLoopback(address: string): boolean {
  return isIPv4(address) ? address.startsWith("127.") : address === "::1";
}

/** Something the operator named: a range of addresses, or a host by its name. */
type Place =
  | { readonly kind: "range"; readonly range: BlockList; readonly port: string }
  | { readonly kind: "host"; readonly host: string; readonly port: string };

function covers(place: Place, url: URL, address: string, port: string): boolean {
  if (place.port !== "*" && place.port !== port) return false;
  if (place.kind === "host") return place.host === url.hostname;
  return place.range.check(address, isIPv4(address) ? "ipv4" : "ipv6");
}

function placeOf(entry: string): Place | undefined {
  const parts = entryShape.exec(entry);
  if (parts === null) return undefined;
  const { v6, host, bits, port = "*" } = parts.groups ?? {};
  if (port !== "*" && Number(port) > 65_535) return undefined;
  const written = v6 ?? host ?? "";
  // `fd00::/8` and `::1` need no brackets where no port follows.
  const family = isIP(written);
  if (family === 0) {
    if (bits !== undefined || !hostShape.test(written)) return undefined;
    return { kind: "host", host: written.toLowerCase(), port };
  }
  const width = family === 4 ? 32 : 128;
  const prefix = Number(bits ?? width);
  if (prefix > width) return undefined;
  const range = new BlockList();
  range.addSubnet(written, prefix, family === 4 ? "ipv4" : "ipv6");
  return { kind: "range", range, port };
}

const entryShape =
  /^(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<host>[0-9a-fA-F]*:[0-9a-fA-F:.]*|[^:/[\]\s]+))(?:\/(?<bits>\d{1,3}))?(?::(?<port>\d{1,5}|\*))?$/;
const hostShape = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/i;

function portOf(url: URL): string {
  return url.port === "" ? (url.protocol === "http:" ? "80" : "443") : url.port;
}

const URL_LENGTH_MAX = 2048;

function listOf(family: "ipv4" | "ipv6", ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = "", bits] = range.split("/");
    list.addSubnet(address, Number(bits), family);
  }
  return list;
}

// IANA's registry of special-purpose IPv4 addresses, multicast, and two services of clouds that lie in public space.
const special4 = listOf("ipv4", [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10", // shared by carriers (CGNAT)
  "127.0.0.0/8",
  "168.63.129.16/32", // Azure's platform service
  "169.254.0.0/16", // link-local, the metadata services among them
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.31.196.0/24",
  "192.52.193.0/24",
  "192.88.99.0/24", // relays of 6to4
  "192.168.0.0/16",
  "192.175.48.0/24",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
]);

// Everything else is not global unicast: loopback, IPv4-mapped (::ffff:0:0/96), NAT64 (64:ff9b::/96 and 64:ff9b:1::/48),
// unique local (fc00::/7, Amazon's metadata service fd00:ec2::254 among them), link-local, site-local (fec0::/10), multicast.
const globalUnicast = listOf("ipv6", ["2000::/3"]);
const special6 = listOf("ipv6", [
  "2001::/23", // protocol assignments, Teredo among them
  "2001:db8::/32",
  "2002::/16", // 6to4, which carries an IPv4 address
  "2620:4f:8000::/48",
  "3fff::/20",
]);
