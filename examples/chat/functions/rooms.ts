import type { Handler } from "@bunbase/functions";

import type { Database } from "../src/database.ts";
import { type Ctx, join, leave, memberId, none, type Role } from "./_members.ts";

type Change =
  | { act: "create"; name: string }
  | { act: "direct"; email: string }
  | { act: "join"; room: string; uid: string }
  | { act: "role"; room: string; uid: string; role: Role }
  | { act: "remove"; room: string; uid: string };

const refuse = (status: number, detail: string) => Response.json({ detail }, { status });

/** Adds people to a room and removes them. A call without a user comes from the worker, which has the secret key. */
const rooms: Handler<Database> = async (request, ctx) => {
  const change = (await request.json().catch(() => ({}))) as Change;
  const me = ctx.caller?.uid;
  switch (change.act) {
    case "create": {
      if (!me) return refuse(403, "A room needs an owner: sign in.");
      const room = await ctx.data.create("rooms", { _id: newId(), name: change.name });
      await join(ctx, room._id, me, "owner");
      return room;
    }
    case "direct":
      if (!me) return refuse(403, "A direct message needs a sender: sign in.");
      return direct(ctx, me, change.email);
    case "join":
      if (me) return refuse(403, "Ask a moderator for an invitation.");
      await join(ctx, change.room, change.uid, "member");
      return {};
    case "role":
      if (!(await owns(ctx, change.room))) return refuse(403, "Only the owner changes roles.");
      await ctx.data.patch("members", memberId(change.room, change.uid), { role: change.role });
      return {};
    case "remove":
      if (me !== change.uid && !(await owns(ctx, change.room))) return refuse(403, "Only the owner removes people.");
      await leave(ctx, change.room, change.uid);
      return {};
    default:
      return refuse(422, "The act is one of create, direct, join, role and remove.");
  }
};

export default rooms;

/**
 * Returns the room of two people. The room's field `pair` is unique, so two calls at the same time create only one
 * room.
 */
async function direct(ctx: Ctx, me: string, email: string) {
  const other = await ctx.auth.users.getByEmail(email).catch(none("user_not_found"));
  if (!other || other.id === me) return refuse(404, "Nobody else has this address.");
  const pair = [me, other.id].sort().join(" ");
  const made = { _id: newId(), name: `${ctx.caller?.email} and ${other.email}`, pair };
  const { _id } =
    (await ctx.data.create("rooms", made).catch(none("unique_violation"))) ??
    (await ctx.data.query("rooms", { where: { pair } })).items[0]!;
  for (const uid of [me, other.id]) await join(ctx, _id, uid, "member");
  return { _id };
}

async function owns(ctx: Ctx, room: string): Promise<boolean> {
  if (!ctx.caller) return true;
  const member = await ctx.data.get("members", memberId(room, ctx.caller.uid)).catch(none("document_not_found"));
  return member?.role === "owner";
}

/** Returns a new id. The id is short, because a token contains the ids of all rooms of its user. */
function newId(): string {
  return crypto.randomUUID().replaceAll("-", "").slice(0, 10);
}
