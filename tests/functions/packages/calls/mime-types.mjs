import assert from "node:assert";
import mime from "mime-types";

export default () => {
  assert.equal(mime.lookup("a.png"), "image/png");
  assert.equal(mime.contentType("a.json"), "application/json; charset=utf-8");
};
