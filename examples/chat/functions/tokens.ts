import type { Hooks } from "@bunbase/functions";

import { type Ctx, join } from "./_members.ts";

const MAX_ROOMS = 200; // all claims of a token have 4 KiB; above that, the person could not sign in

export const hooks: Hooks = {
  /** Each token names the rooms of its user, so that rules and indexes can use them. */
  async beforeToken({ user }, ctx) {
    const newest = { where: { uid: user.id }, sort: ["-_created"], limit: MAX_ROOMS } as const;
    const { items } = await (ctx as Ctx).data.query("members", newest);
    return { claims: { rooms: items.map(({ room }) => room) } };
  },

  /** Somebody who was invited is in the room at once. */
  async afterSignup({ user }, ctx) {
    if (!user.email || !user.email_verified) return;
    const { items } = await (ctx as Ctx).data.query("invites", { where: { email: user.email } });
    for (const { room } of items) await join(ctx as Ctx, room, user.id, "member");
  },
};
