import assert from "node:assert";
import { LRUCache } from "lru-cache";

export default async () => {
  const cache = new LRUCache({ max: 2, fetchMethod: async (key) => key.length });
  for (const key of ["a", "bb", "ccc"]) await cache.fetch(key);
  assert.deepEqual([...cache.keys()], ["ccc", "bb"]);
};
