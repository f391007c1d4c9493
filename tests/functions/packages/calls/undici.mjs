import assert from "node:assert";
import { Agent, Pool, fetch, request, setGlobalDispatcher } from "undici";

export default async (at) => {
  setGlobalDispatcher(new Agent({ keepAliveTimeout: 10 }));
  const { statusCode, headers, body } = await request(at + "/a", { method: "POST", headers: { "x-a": "1" }, body: "text" });
  assert.equal(statusCode, 200);
  assert.equal(headers["content-type"], "application/json");
  assert.equal((await body.json()).body, "text");
  assert.equal((await fetch(at + "/gzip").then((answer) => answer.text())).length, 900);
  assert.equal((await new Pool(at).request({ method: "GET", path: "/" })).statusCode, 200);
};
