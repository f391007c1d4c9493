import assert from "node:assert";
import bcrypt from "bcryptjs";

export default async () => assert.equal(await bcrypt.compare("secret", await bcrypt.hash("secret", 4)), true);
