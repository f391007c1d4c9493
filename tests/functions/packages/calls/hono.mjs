import assert from "node:assert";
import { Hono } from "hono";
import { cors } from "hono/cors";

export default async () => {
  const app = new Hono().use(cors()).get("/a/:id", (c) => c.json({ id: c.req.param("id") }));
  assert.deepEqual(await (await app.fetch(new Request("http://f/a/1"))).json(), { id: "1" });
};
