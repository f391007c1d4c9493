import assert from "node:assert";
import * as cookie from "cookie";

export default () => {
  const parse = cookie.parseCookie ?? cookie.parse;
  assert.equal(parse("a=1; b=two%20words").b, "two words");
};
