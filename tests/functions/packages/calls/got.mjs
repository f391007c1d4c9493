import assert from "node:assert";
import got from "got";

export default async (at) => {
  const client = got.extend({ prefixUrl: at, retry: { limit: 0 } });
  const posted = await client.post("a", { json: { n: 1 }, searchParams: { q: 1 } }).json();
  assert.deepEqual([posted.method, posted.target, posted.body], ["POST", "/a?q=1", '{"n":1}']);
  assert.equal((await client("gzip")).body.length, 900);
  assert.equal((await client("redirect?to=%2Fthere").json()).target, "/there");
  await assert.rejects(client("status?is=404"), { code: "ERR_NON_2XX_3XX_RESPONSE" });
  await assert.rejects(client("silence", { timeout: { request: 100 } }), { code: "ETIMEDOUT" });
  let size = 0;
  for await (const chunk of client.stream("big")) size += chunk.length;
  assert.equal(size, 1 << 20);
};
