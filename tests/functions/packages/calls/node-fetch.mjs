import assert from "node:assert";
import fetch, { Headers } from "node-fetch";

export default async (at) => {
  const answer = await fetch(at + "/a", { method: "POST", headers: new Headers({ "x-a": "1" }), body: new URLSearchParams({ b: "2" }) });
  const seen = await answer.json();
  assert.equal(seen.body, "b=2");
  assert.equal(seen.headers["x-a"], "1");
  let size = 0;
  for await (const chunk of (await fetch(at + "/big")).body) size += chunk.length;
  assert.equal(size, 1 << 20);
  assert.equal((await fetch(at + "/redirect?to=%2Fthere")).redirected, true);
  await assert.rejects(fetch("https://unnamed.test/"), /allow_net/);
};
