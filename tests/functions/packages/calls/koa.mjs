import assert from "node:assert";
import Koa from "koa";

export default () => {
  const app = new Koa();
  app.use((ctx) => (ctx.body = "hello"));
  assert.throws(() => app.listen(80), /cannot listen on a port/); // A function exports a handler instead.
};
