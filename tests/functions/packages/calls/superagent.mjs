import assert from "node:assert";
import superagent from "superagent";

export default async (at) => {
  const posted = await superagent.post(at + "/a").query({ q: 1 }).set("x-a", "1").send({ n: 1 });
  assert.deepEqual([posted.status, posted.body.target, posted.body.body], [200, "/a?q=1", '{"n":1}']);
  assert.equal((await superagent.get(at + "/redirect?to=%2Fthere")).body.target, "/there");
  const formed = await superagent.post(at + "/form").field("a", "b").attach("file", Buffer.from("bytes"), "a.png");
  assert.match(formed.body.body, /Content-Type: image\/png\r\n\r\nbytes/);
  await assert.rejects(superagent.get(at + "/silence").timeout(100), { code: "ECONNABORTED" });
  await assert.rejects(superagent.get(at + "/status?is=404"), { status: 404 });
};
