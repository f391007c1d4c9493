import assert from "node:assert";
import Joi from "joi";

export default () => {
  const user = Joi.object({ email: Joi.string().email().required() });
  assert.equal(user.validate({ email: "a@b.com" }).error, undefined);
  assert.match(user.validate({ email: "a" }).error.message, /valid email/);
};
