import assert from "node:assert";
import Decimal from "decimal.js";

export default () => assert.equal(new Decimal("0.1").plus("0.2").toString(), "0.3");
