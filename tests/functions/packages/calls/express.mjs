import assert from "node:assert";
import express from "express";

export default () => {
  const app = express();
  const router = express.Router();
  router.get("/a/:id", (req, res) => res.json({ id: req.params.id }));
  app.use(express.json(), router);
  assert.throws(() => app.listen(80), /cannot listen on a port/); // A function exports a handler instead.
};
