import assert from "node:assert";
import { parse, stringify } from "yaml";

export default () => {
  assert.deepEqual(parse("a: &x [1]\nb: *x"), { a: [1], b: [1] });
  assert.equal(stringify({ a: 1 }), "a: 1\n");
};
