import assert from "node:assert";
import dayjs from "dayjs";
import timezone from "dayjs/plugin/timezone";
import utc from "dayjs/plugin/utc";

export default () => {
  dayjs.extend(utc);
  dayjs.extend(timezone);
  assert.equal(dayjs.utc("2026-07-01T10:00:00Z").tz("Europe/Berlin").format("HH:mm"), "12:00");
};
