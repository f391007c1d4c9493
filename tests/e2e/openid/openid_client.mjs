// The stock client openid-client, at a confidential client of a BunBase that runs.
//
// Usage: openid_client.mjs <issuer> <client id> <client secret> <redirect URI>. It prints the address to open in a
// browser, reads the address to which the browser came back, and prints what it got as JSON.
import { createInterface } from "node:readline/promises";
import * as client from "openid-client";

const [issuer, id, secret, redirectUri] = process.argv.slice(2);
const insecure = { execute: [client.allowInsecureRequests] }; // The server uses plain http on loopback.
const config = await client.discovery(new URL(issuer), id, undefined, client.ClientSecretBasic(secret), insecure);

const pkceCodeVerifier = client.randomPKCECodeVerifier();
const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()];
const address = client.buildAuthorizationUrl(config, {
  redirect_uri: redirectUri,
  scope: "openid email offline_access",
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: "S256",
  state: expectedState,
  nonce: expectedNonce,
});
console.log(address.href);

const lines = createInterface({ input: process.stdin });
const [back] = await new Promise((resolve) => lines.once("line", (line) => resolve([new URL(line)])));
lines.close();
const tokens = await client.authorizationCodeGrant(config, back, { pkceCodeVerifier, expectedState, expectedNonce });
const { sub } = tokens.claims();
const person = await client.fetchUserInfo(config, tokens.access_token, sub);
const renewed = await client.refreshTokenGrant(config, tokens.refresh_token);
const { active } = await client.tokenIntrospection(config, renewed.access_token);
await client.tokenRevocation(config, renewed.refresh_token);
const after = await client.tokenIntrospection(config, renewed.access_token);
console.log(JSON.stringify({ sub, email: person.email, active, after: after.active, supportsPkce: config.serverMetadata().supportsPKCE() }));
