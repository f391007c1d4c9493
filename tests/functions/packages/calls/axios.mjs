import assert from "node:assert";
import axios from "axios";

export default async (at) => {
  for (const adapter of ["http", "fetch"]) {
    const client = axios.create({ baseURL: at, adapter, timeout: 5000 });
    const { data, status } = await client.post("/a?b=c", { n: 1 }, { headers: { "x-a": "1" }, params: { q: "1 2" } });
    assert.deepEqual([status, data.method, data.target, data.body], [200, "POST", "/a?b=c&q=1+2", '{"n":1}']);
    assert.equal((await client.get("/gzip")).data.length, 900);
    assert.equal((await client.get("/redirect?to=%2Fthere")).data.target, "/there");
    await assert.rejects(client.get("/status?is=404"), { code: "ERR_BAD_REQUEST" });
    await assert.rejects(client.get("/silence", { timeout: 100 }), { code: adapter === "http" ? "ECONNABORTED" : "ETIMEDOUT" });
    await assert.rejects(client.get("/silence", { signal: AbortSignal.timeout(100) }), { code: "ERR_CANCELED" });
    const form = new FormData();
    form.append("file", new Blob(["bytes"], { type: "image/png" }), "a.png");
    assert.match((await client.post("/form", form)).data.body, /Content-Type: image\/png\r\n\r\nbytes/);
  }
  const { data } = await axios.get(at + "/big", { responseType: "stream", adapter: "http" });
  let size = 0;
  for await (const chunk of data) size += chunk.length;
  assert.equal(size, 1 << 20);
};
