import assert from "node:assert";
import { DateTime } from "luxon";

export default () =>
  assert.equal(DateTime.fromISO("2026-07-01T10:00:00Z").setZone("Asia/Tokyo").toFormat("yyyy-MM-dd HH:mm"), "2026-07-01 19:00");
