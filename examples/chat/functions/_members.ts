/** The members of rooms, for all functions. */
import type { Context, Problem } from "@bunbase/functions";

import type { Database, NewMember } from "../src/database.ts";

export type Ctx = Context<Database>;
export type Role = NewMember["role"];

export const memberId = (room: string, uid: string): string => `${room}_${uid}`;

/** For `catch`: turns an error with this code into null, and throws every other error. */
export function none(code: string): (error: Problem) => null {
  return (error) => {
    if (error.code === code) return null;
    throw error;
  };
}

/** Adds a person to a room. If the person is already in the room, the membership does not change. */
export async function join(ctx: Ctx, room: string, uid: string, role: Role): Promise<void> {
  const user = await ctx.auth.users.get(uid);
  const name = user.name || user.email?.split("@")[0] || "somebody";
  const member = { room, uid, name, role };
  await ctx.data.put("members", memberId(room, uid), member, { ifAbsent: true }).catch(none("stale_revision"));
  await endTokens(ctx, uid);
}

export async function leave(ctx: Ctx, room: string, uid: string): Promise<void> {
  await ctx.data.delete("members", memberId(room, uid)).catch(none("document_not_found"));
  await endTokens(ctx, uid);
}

/**
 * Ends the access tokens of a user, because the tokens list the user's rooms (tokens.ts). The user's pages fetch new
 * tokens automatically.
 */
async function endTokens(ctx: Ctx, uid: string): Promise<void> {
  await ctx.auth.users.update(uid, { claims: { rooms_changed: Date.now() } });
}
