import assert from "node:assert";
import dotenv from "dotenv";

export default () => {
  assert.deepEqual(dotenv.parse("A=1\nB='two words' # comment"), { A: "1", B: "two words" });
  assert.ok(dotenv.config({ quiet: true }).error); // There is no file, so dotenv reports an error and continues.
};
