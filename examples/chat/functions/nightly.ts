import type { Handler } from "@bunbase/functions";

import type { Database } from "../src/database.ts";

const DAYS = 90;
const PAGE = 200; // each message needs two writes, and a commit has at most 500

/**
 * Moves messages that are older than 90 days to the archive. A job may pass another time: `{"before":
 * "2026-01-01T00:00:00.000Z"}`. If the server stops, the next run continues: each commit moves its messages completely
 * or not at all.
 */
const nightly: Handler<Database> = async (request, ctx) => {
  const asked = (await request.json().catch(() => null)) as { before?: string } | null;
  const before = asked?.before ?? new Date(Date.now() - DAYS * 86_400_000).toISOString();
  let moved = 0;
  for (;;) {
    const { items } = await ctx.data.query("messages", { where: { _created: { $lt: before } }, sort: ["_created"], limit: PAGE });
    if (items.length === 0) break;
    await ctx.data.commit(
      items.flatMap(({ _id, _rev, _created, _updated, ...message }) => [
        { op: "put", collection: "archive", id: _id, data: { ...message, sent: _created } } as const,
        { op: "delete", collection: "messages", id: _id, if_rev: _rev } as const,
      ]),
    );
    moved += items.length;
  }
  console.log(`moved ${moved} messages`);
};

export default nightly;
