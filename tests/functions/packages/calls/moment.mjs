import assert from "node:assert";
import moment from "moment";

export default () => assert.equal(moment.utc("2026-01-31").add(1, "month").format("YYYY-MM-DD"), "2026-02-28");
