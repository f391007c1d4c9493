import assert from "node:assert";
import pRetry from "p-retry";

export default async (at) => {
  let tries = 0;
  const { status } = await pRetry(
    async () => {
      if (++tries < 2) throw new Error("again");
      return fetch(at);
    },
    { retries: 2, minTimeout: 1 },
  );
  assert.deepEqual([status, tries], [200, 2]);
};
