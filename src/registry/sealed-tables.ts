// Everything the vault has sealed that is kept: the one list of it. A column that is not here cannot be opened any more
// once an earlier encryption key is taken away; a test holds the list against the tables of a database.
import { sealedClients, sealedFlows, sealedTokens } from "../access/index.ts";
import type { SealedColumn, SealedValue } from "../store/index.ts";
import { placeOf } from "./secret-record.ts";

/** A table with a sealed column. */
export interface SealedTable extends SealedColumn {
  /** What people call what is in it, and where a rotation goes on; without a colon. */
  readonly name: string;
  /** What its values are sealed for. */
  readonly purpose: string;
  /** What a value was sealed with beside its purpose: see `Sealer`. */
  place(value: SealedValue): string;
  /** What people call a value; no secret. */
  label(value: SealedValue): string;
}

/** What secrets are sealed for. */
export const SECRETS = "secrets";

/** In the order in which they are sealed anew. */
export const sealedTables: readonly SealedTable[] = [
  {
    name: SECRETS,
    purpose: SECRETS,
    table: "signalbox.secrets",
    key: ["id"],
    with: ["project", "owner", "name"],
    keyId: "key_id",
    place: ({ key: [id = ""], with: [project, owner, name] }) =>
      placeOf({ id, project: project ?? "", owner: owner ?? undefined, name: name ?? "" }),
    label: ({ with: [, , name] }) => name ?? "",
  },
  {
    name: "connections",
    purpose: sealedTokens.purpose,
    table: "signalbox.oauth_tokens",
    key: ["server", "subject"],
    place: ({ key: [server = "", subject = ""] }) => sealedTokens.place(server, subject),
    label: ({ key: [server, subject] }) => `connection of ${subject} to ${server}`,
  },
  {
    name: "clients",
    purpose: sealedClients.purpose,
    table: "signalbox.oauth_clients",
    key: ["issuer", "redirect_uri"],
    place: ({ key: [issuer = "", redirectUri = ""] }) => sealedClients.place(issuer, redirectUri),
    label: ({ key: [issuer] }) => `client at ${issuer}`,
  },
  {
    name: "consents",
    purpose: sealedFlows.purpose,
    table: "signalbox.oauth_flows",
    key: ["state_hash"],
    place: ({ key: [stateHash = ""] }) => sealedFlows.place(stateHash),
    label: () => "a consent under way",
  },
];
