import assert from "node:assert";
import Ajv from "ajv";

export default () => {
  const valid = new Ajv({ allErrors: true }).compile({ type: "object", required: ["a"], properties: { a: { type: "integer" } } });
  assert.equal(valid({ a: 1 }), true);
  assert.equal(valid({ a: "x" }), false);
  assert.equal(valid.errors[0].message, "must be integer");
};
