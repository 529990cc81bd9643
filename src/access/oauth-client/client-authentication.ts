/** How the gateway proves to a token endpoint which client it is. */
import { createPrivateKey, type KeyObject, type webcrypto } from "node:crypto";
import { None, ClientSecretPost, PrivateKeyJwt, type ClientAuth } from "oauth4webapi";
import { SignalboxError } from "../../foundation/index.ts";
import type { AuthorizationServerMetadata } from "./discovery.ts";
import type { SigningAlgorithm } from "./settings.ts";

/** A registered client, with what it proves itself by. */
export interface OAuthClient {
  readonly client_id: string;
  readonly client_secret?: string;
  /** What the registration agreed on; else it follows from what the server supports. */
  readonly token_endpoint_auth_method?: string;
  readonly private_key?: string;
  readonly key_id?: string;
  readonly signing_algorithm?: SigningAlgorithm;
}

export function clientAuthentication(
  client: OAuthClient,
  metadata: AuthorizationServerMetadata,
): ClientAuth {
  if (client.private_key !== undefined) return signed(client, client.private_key);
  const { client_secret: secret } = client;
  if (secret === undefined) return None();
  switch (methodOf(client, metadata)) {
    case "client_secret_post":
      return ClientSecretPost(secret);
    case "none":
      return None();
    default:
      return basic(secret);
  }
}

function methodOf(client: OAuthClient, metadata: AuthorizationServerMetadata): string {
  const supported = metadata.token_endpoint_auth_methods_supported ?? [];
  const agreed = client.token_endpoint_auth_method;
  if (agreed !== undefined && (supported.length === 0 || supported.includes(agreed))) return agreed;
  if (supported.length === 0) return "client_secret_basic";
  return SECRET_METHODS.find((method) => supported.includes(method)) ?? "client_secret_post";
}

const SECRET_METHODS = ["client_secret_basic", "client_secret_post"];

// Many servers do not decode what RFC 6749 has a client encode; what needs no encoding is left as it is, so that it is
// the same for both.
function basic(secret: string): ClientAuth {
  return (_server, client, _body, headers) => {
    const pair = `${formEncoded(client.client_id)}:${formEncoded(secret)}`;
    headers.set("authorization", `Basic ${Buffer.from(pair).toString("base64")}`);
  };
}

function formEncoded(text: string): string {
  return encodeURIComponent(text).replaceAll("%20", "+");
}

function signed(client: OAuthClient, pem: string): ClientAuth {
  const key = cryptoKeyOf(pem, client.signing_algorithm);
  return PrivateKeyJwt(client.key_id === undefined ? key : { key, kid: client.key_id });
}

function cryptoKeyOf(pem: string, wanted: SigningAlgorithm | undefined): webcrypto.CryptoKey {
  try {
    const key = createPrivateKey(pem);
    return key.toCryptoKey(algorithms[wanted ?? algorithmOf(key)], false, ["sign"]);
  } catch (cause) {
    // What the library says of a key may quote it.
    throw new SignalboxError(
      "OAUTH_FAILED",
      "The private_key is not a PEM key of the signing_algorithm.",
      { cause: new Error(cause instanceof Error ? cause.name : "unreadable") },
    );
  }
}

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): SigningAlgorithm {
  if (asymmetricKeyType === "ec")
    return asymmetricKeyDetails?.namedCurve === "secp384r1" ? "ES384" : "ES256";
  if (asymmetricKeyType === "ed25519") return "EdDSA";
  return asymmetricKeyType === "rsa-pss" ? "PS256" : "RS256";
}

const algorithms = {
  ES256: { name: "ECDSA", namedCurve: "P-256" },
  ES384: { name: "ECDSA", namedCurve: "P-384" },
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  PS256: { name: "RSA-PSS", hash: "SHA-256" },
  EdDSA: { name: "Ed25519" },
} as const;
