import assert from "node:assert";
import _ from "lodash";

export default async () => {
  assert.deepEqual(_.groupBy([1, 2, 3], (n) => n % 2), { 0: [2], 1: [1, 3] });
  assert.equal(_.template("<%= a %>!")({ a: "b" }), "b!");
  assert.equal(await new Promise((resolve) => _.debounce(resolve, 1)("late")), "late");
};
