import type { Handler } from "@bunbase/functions";
import type { Database, Item } from "../database.ts";

interface Change {
  op: "update" | "delete";
  id: string;
  at: string;
  before?: Item;
}

/** Records each changed or deleted item in the list of activity. `before` is the item before the change. */
const activity: Handler<Database> = async (request, { data, trigger }) => {
  const { op, id, at, before } = (await request.json()) as Change;
  if (!trigger || !before) return; // BunBase keeps the documents before a change only for a limited time
  const { household, title, cents } = before;
  await data.put("activity", trigger.job, { household, item: id, op, title, cents, at }); // a repeated run has the same id
};

export default activity;
