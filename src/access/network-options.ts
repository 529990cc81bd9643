import { BlockList, isIP } from "node:net";
import { z } from "zod";
import { builtinRoleNames } from "./role.ts";

const PREFIX_BITS_MIN = 7;

/** An address, or a network as `10.0.0.0/8`. */
export const cidr = z
  .string()
  .refine(
    (text) => readNetwork(text) !== undefined,
    "must be an address or a network (10.0.0.0/8)",
  );

/** Of `[auth]`: who may come without any credential, by the address of the socket's other end. */
export const networkOptions = {
  loopback_bypass: z
    .boolean()
    .default(false)
    .describe("Whether programs on this machine need no credential."),
  trusted_networks: z
    .array(
      cidr.refine(
        (text) => (readNetwork(text)?.bits ?? 0) >= PREFIX_BITS_MIN,
        "is too large to be trusted",
      ),
    )
    .max(1000)
    .default([])
    .describe("Networks from which no credential is needed."),
  network_role: z
    .enum(builtinRoleNames.filter((role) => role !== "admin"))
    .default("caller")
    .describe("The role of whoever comes without a credential; never admin."),
} as const;

/** A list that answers whether an address is in one of the networks. */
export function networkList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of networks) {
    const network = readNetwork(text);
    if (network !== undefined) list.addSubnet(network.address, network.bits, network.family);
  }
  return list;
}

/** Whether a list holds the address of a socket's other end. */
export function holds(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 6 ? "ipv6" : "ipv4");
}

/** An IPv4 address that came over an IPv6 socket, as the IPv4 address. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return "";
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}

function readNetwork(
  text: string,
): { address: string; bits: number; family: "ipv4" | "ipv6" } | undefined {
  const [address = "", bitsText, ...rest] = text.split("/");
  const version = isIP(address);
  if (version === 0 || rest.length > 0 || address.includes("%")) return undefined;
  const most = version === 6 ? 128 : 32;
  if (bitsText !== undefined && !/^\d{1,3}$/.test(bitsText)) return undefined;
  const bits = bitsText === undefined ? most : Number(bitsText);
  if (bits > most) return undefined;
  return { address, bits, family: version === 6 ? "ipv6" : "ipv4" };
}
