import assert from "node:assert";
import { dump, load } from "js-yaml";

export default () => {
  assert.deepEqual(load("a: [1, two]\nb: {c: 2026-01-02}").a, [1, "two"]);
  assert.equal(dump({ a: [1] }), "a:\n  - 1\n");
};
