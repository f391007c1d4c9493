import type { Handler } from "@bunbase/functions";
import type { Database } from "../src/database.ts";

/**
 * Deletes the done todos of the caller. If somebody has changed one of these todos meanwhile, `if_rev` makes the commit
 * fail, and no todo is deleted.
 */
const clearDone: Handler<Database> = async (_request, ctx) => {
  const { data } = ctx.as(ctx.caller); // the rules apply to the function in the same way as to the page
  const { items } = await data.query("todos", { where: { done: true }, limit: 100 });
  if (items.length) await data.commit(items.map(({ _id, _rev }) => ({ op: "delete", collection: "todos", id: _id, if_rev: _rev })));
  return { cleared: items.length };
};

export default clearDone;
