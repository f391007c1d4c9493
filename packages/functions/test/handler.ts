/** A typical handler. The test passes if this file compiles. */

import type { Handler, Problem } from "../index.d.ts";

type Post = { title: string; likes: number };

const handler: Handler = async (request, { caller, data, as, auth, env, log, signal, waitUntil, ...ctx }) => {
  if (caller === null) return new Response("Sign in first.", { status: 401 });
  const { id } = (await request.json()) as { id: string };
  try {
    const post = await as(caller).data.get<Post>("posts", id);
    await data.patch("posts", id, { $inc: { likes: 1 } }, { ifRev: post._rev });
    const page = await data.query<Post>("posts", { where: { likes: { $gt: 1 } }, sort: ["-likes"], limit: 5 });
    waitUntil(fetch("https://api.example.com/liked", { headers: { authorization: "Bearer {{API_KEY}}" }, signal }));
    log.info("liked", post.title.toUpperCase(), (await auth.me()).email, env["GREETING"]);
    return { id: ctx.invocation.id, version: ctx.function.version, top: page.items.map((one) => one.title) };
  } catch (error) {
    return new Response((error as Problem).code, { status: (error as Problem).status });
  }
};

export default handler;

export const promote: Handler = async (request, { auth }) => {
  const user = await auth.users.getByEmail(new URL(request.url).searchParams.get("email") ?? "");
  if (user.banned) await auth.users.update(user.id, { banned: false, claims: { plan: "pro" } });
  const { items } = await auth.users.list({ role: "editor", limit: 5 });
  return { token: await auth.customToken(user.id, { device: "tv" }), editors: items.map((one) => one.email) };
};

// @ts-expect-error: a user's id cannot be changed
export const renamed: Handler = (_, { auth }) => auth.users.update("usr_1", { id: "usr_2" });

// @ts-expect-error: a context has no such member
export const wrong: Handler = (_, ctx) => ctx.nothing;

// @ts-expect-error: ctx.as accepts only the caller or null
export const forged: Handler = (_, ctx) => ctx.as({ uid: "usr_other" });
