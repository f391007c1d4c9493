import type { Handler, Problem } from "@bunbase/functions";
import type { Database } from "../database.ts";

const refused = (status: number, detail: string) => Response.json({ detail }, { status });
const none = (error: Problem) => {
  if (error.status === 404) return null;
  throw error;
};

/**
 * Adds a person to a household: `{"household": "home", "email": "bob@example.com"}`. Only members of the household may
 * call it. A repeated call changes nothing.
 */
const invite: Handler<Database> = async (request, ctx) => {
  const { household, email } = await request.json().catch(() => ({}));
  if (typeof household !== "string" || typeof email !== "string") return refused(400, "Send a household and an email.");

  const found = await ctx.as(ctx.caller).data.get("households", household).catch(none); // only members may read it
  if (!found) return refused(404, "You belong to no such household.");
  const user = await ctx.auth.users.getByEmail(email).catch(none);
  if (!user?.email_verified) return refused(404, "Nobody has signed up with this address and confirmed it.");

  await ctx.data.put("members", `${household}_${user.id}`, { household, user: user.id, email });
  return { household, user: user.id };
};

export default invite;
