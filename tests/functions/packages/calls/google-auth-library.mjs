import assert from "node:assert";
import { generateKeyPairSync } from "node:crypto";
import { JWT, OAuth2Client } from "google-auth-library";

export default async (at) => {
  const client = new OAuth2Client();
  client.setCredentials({ access_token: "token" });
  const { data } = await client.request({ url: at + "/files", params: { a: "1" } });
  assert.deepEqual([data.target, data.headers.authorization], ["/files?a=1", "Bearer token"]);
  const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs8", format: "pem" });
  const signed = await new JWT({ email: "a@b.example", key }).getRequestHeaders("https://service.example/");
  assert.match(signed.get?.("authorization") ?? signed.Authorization, /^Bearer ey/);
};
