import assert from "node:assert";
import { z } from "zod";

export default () => {
  const user = z.object({ email: z.email(), age: z.coerce.number().int().min(1) });
  assert.deepEqual(user.parse({ email: "a@b.example", age: "3" }), { email: "a@b.example", age: 3 });
  assert.equal(user.safeParse({ email: "no", age: 0 }).error.issues.length, 2);
};
