import assert from "node:assert";
import qs from "qs";

export default () => {
  assert.deepEqual(qs.parse("a[b]=1&c[]=2&c[]=3"), { a: { b: "1" }, c: ["2", "3"] });
  assert.equal(qs.stringify({ a: [1, 2] }, { arrayFormat: "brackets", encode: false }), "a[]=1&a[]=2");
};
