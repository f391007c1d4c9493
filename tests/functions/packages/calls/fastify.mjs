import assert from "node:assert";
import fastify from "fastify";

export default async () => {
  const app = fastify();
  app.get("/a/:id", async (request) => ({ id: request.params.id }));
  const answer = await app.inject("/a/1");
  assert.deepEqual([answer.statusCode, answer.json()], [200, { id: "1" }]);
};
