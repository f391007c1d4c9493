import assert from "node:assert";
import { addMonths, formatISO } from "date-fns";
import { de } from "date-fns/locale";
import { format } from "date-fns";

export default () => {
  assert.equal(formatISO(addMonths(new Date(2026, 0, 31), 1), { representation: "date" }), "2026-02-28");
  assert.equal(format(new Date(2026, 2, 1), "MMMM", { locale: de }), "März");
};
