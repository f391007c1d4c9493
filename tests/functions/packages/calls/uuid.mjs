import assert from "node:assert";
import { v4, v5, v7, validate } from "uuid";

export default () => {
  assert.ok(validate(v4()) && validate(v7()) && v4() !== v4());
  assert.equal(v5("hello.example.com", v5.DNS), "fdda765f-fc57-5604-a269-52a7df8164ec");
};
