import type { Handler } from "@bunbase/functions";
import type { Database, Item } from "../database.ts";

interface Change {
  op: "update" | "delete";
  id: string;
  at: string;
  before?: Item;
}

/** Writes what was changed or deleted into the list of activity. The change has the item as it was `before`. */
const activity: Handler<Database> = async (request, { data, trigger }) => {
  const { op, id, at, before } = (await request.json()) as Change;
  if (!trigger || !before) return; // images are kept for a limited time
  const { household, title, cents } = before;
  await data.put("activity", trigger.job, { household, item: id, op, title, cents, at }); // a repeated run writes it once
};

export default activity;
