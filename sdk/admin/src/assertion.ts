/** Proves the identity of a service account with a JWT that the account's private key signs (RFC 7523). */

import { invalidValue, randomText } from "bunbase-js/internal";

const SECONDS = 300; // the server accepts up to ten minutes; the rest allows for a difference of the clocks
const RSA = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
const P256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const PEM = /-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----/;

/** @internal */
export interface SigningKey {
  key: CryptoKey;
  algorithm: typeof RSA | typeof P256;
}

/** Reads a private key. Throws `invalid_value`, without any part of the key. @internal */
export async function signingKey(pem: string): Promise<SigningKey> {
  const found = PEM.exec(pem);
  if (!found)
    throw invalidValue("privateKey", "It must be PEM in PKCS #8 (BEGIN PRIVATE KEY). Convert it: openssl pkcs8 -topk8 -nocrypt.");
  for (const algorithm of [RSA, P256]) {
    try {
      const der = Uint8Array.from(atob(found[1]!.replace(/\s/g, "")), (character) => character.charCodeAt(0));
      return { key: await crypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]), algorithm };
    } catch {
      // the key is not of this type, but may be of the other type
    }
  }
  throw invalidValue("privateKey", "It must be an RSA key, or an EC key on P-256.");
}

/** Returns a new assertion. Each assertion works once. @internal */
export async function assertion({ key, algorithm }: SigningKey, clientId: string, audience: string): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const head = { alg: algorithm === RSA ? "RS256" : "ES256", typ: "JWT" };
  const claims = { iss: clientId, sub: clientId, aud: audience, iat: now, exp: now + SECONDS, jti: randomText() };
  const signed = [head, claims].map((part) => encoded(new TextEncoder().encode(JSON.stringify(part)))).join(".");
  const signature = await crypto.subtle.sign(algorithm, key, new TextEncoder().encode(signed));
  return `${signed}.${encoded(new Uint8Array(signature))}`;
}

function encoded(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
