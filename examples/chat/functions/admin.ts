import type { Handler } from "@bunbase/functions";

/** For the admin page: bans a person, or ends the ban, and lists the newest people. */
const admin: Handler = async (request, ctx) => {
  if (ctx.caller?.role !== "admin") return Response.json({ detail: "This page is for administrators." }, { status: 403 });
  const { uid, banned } = (await request.json()) as { uid?: string; banned?: boolean };
  if (uid && banned !== undefined) await ctx.auth.users.update(uid, { banned });
  const { items } = await ctx.auth.users.list({ limit: 100 });
  return items.map(({ id, email, banned }) => ({ id, email, banned }));
};

export default admin;
