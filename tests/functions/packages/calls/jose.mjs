import assert from "node:assert";
import { SignJWT, createRemoteJWKSet, exportJWK, generateKeyPair, jwtVerify } from "jose";

export default async (at) => {
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  const token = await new SignJWT({ a: 1 }).setProtectedHeader({ alg: "ES256", kid: "k" }).setExpirationTime("1m").sign(privateKey);
  assert.equal((await jwtVerify(token, publicKey)).payload.a, 1);
  assert.equal((await exportJWK(publicKey)).kty, "EC");
  await assert.rejects(jwtVerify(token, createRemoteJWKSet(new URL(at + "/keys"))), /JSON Web Key Set malformed/);
};
