import assert from "node:assert";
import { generateKeyPairSync } from "node:crypto";
import jwt from "jsonwebtoken";

export default () => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  assert.equal(jwt.verify(jwt.sign({ a: 1 }, privateKey, { algorithm: "RS256" }), publicKey).a, 1);
  assert.throws(() => jwt.verify(jwt.sign({}, "secret", { expiresIn: -1 }), "secret"), /jwt expired/);
};
