import assert from "node:assert";
import pLimit from "p-limit";

export default async (at) => {
  let open = 0;
  let most = 0;
  const limit = pLimit(2);
  const one = async (n) => {
    most = Math.max(most, ++open);
    const { status } = await fetch(`${at}/${n}`);
    open--;
    return status;
  };
  assert.deepEqual(await Promise.all([1, 2, 3, 4].map((n) => limit(one, n))), [200, 200, 200, 200]);
  assert.equal(most, 2);
};
