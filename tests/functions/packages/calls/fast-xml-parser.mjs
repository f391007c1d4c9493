import assert from "node:assert";
import { XMLBuilder, XMLParser } from "fast-xml-parser";

export default () => {
  assert.deepEqual(new XMLParser().parse("<a><b>1</b><b>2</b></a>"), { a: { b: [1, 2] } });
  assert.equal(new XMLBuilder().build({ a: { b: 1 } }), "<a><b>1</b></a>");
};
