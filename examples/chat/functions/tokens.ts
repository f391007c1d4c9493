import type { Hooks } from "@bunbase/functions";

import { type Ctx, join } from "./_members.ts";

const MAX_ROOMS = 200; // the claims of a token may have 4 KiB in all; with larger claims, the person could not sign in

export const hooks: Hooks = {
  /** Adds the user's rooms to each token, so that rules and indexes can use them. */
  async beforeToken({ user }, ctx) {
    const newest = { where: { uid: user.id }, sort: ["-_created"], limit: MAX_ROOMS } as const;
    const { items } = await (ctx as Ctx).data.query("members", newest);
    return { claims: { rooms: items.map(({ room }) => room) } };
  },

  /** Adds a new user to the rooms of their invitations at once. */
  async afterSignup({ user }, ctx) {
    if (!user.email || !user.email_verified) return;
    const { items } = await (ctx as Ctx).data.query("invites", { where: { email: user.email } });
    for (const { room } of items) await join(ctx as Ctx, room, user.id, "member");
  },
};
