import assert from "node:assert";
import needle from "needle";

export default async (at) => {
  const { statusCode, body } = await needle("post", at + "/a", { n: 1 }, { json: true, headers: { "x-a": "1" } });
  assert.deepEqual([statusCode, body.target, body.body], [200, "/a", '{"n":1}']);
  assert.equal((await needle("get", at + "/redirect?to=%2Fthere", { follow_max: 2 })).body.target, "/there");
  await assert.rejects(needle("get", at + "/silence", { response_timeout: 100 }), { code: "ECONNRESET" });
};
