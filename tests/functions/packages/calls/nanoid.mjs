import assert from "node:assert";
import { customAlphabet, nanoid } from "nanoid";

export default () => {
  assert.equal(nanoid().length, 21);
  assert.match(customAlphabet("ab", 8)(), /^[ab]{8}$/);
};
