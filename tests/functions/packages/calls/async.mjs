import assert from "node:assert";
import { mapLimit, retry } from "async";

export default async (at) => {
  assert.deepEqual(await mapLimit([1, 2, 3], 2, async (n) => (await fetch(`${at}/${n}`)).status), [200, 200, 200]);
  let tries = 0;
  await retry(3, async () => {
    if (++tries < 3) throw new Error("again");
  });
  assert.equal(tries, 3);
};
