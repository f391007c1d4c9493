/** A handler with the types of its collections. The test passes if this file compiles. */

import type { ChangeBatch, Context, Handler } from "../index.d.ts";
import type { Database, NewPost, Post } from "./database.ts";

export const typed: Handler<Database> = async (_, { data, as, caller }) => {
  const post = await data.get("posts", "d1");
  const author = await data.get("users", post.author);
  const page = await data.query("posts", {
    where: { status: "done", likes: { $gt: 1 }, tags: "news", "address.city": "Bern", $or: [{ likes: 1 }] },
    sort: ["-likes", "address.city", "_created"],
  });
  const titles: string[] = page.items.map((one) => one.title);
  const parts = await data.query("posts", { select: ["title"] });
  const maybe: string | undefined = parts.items[0]?.title;
  const made: Post = await data.create("posts", { title: "Hello", status: "draft", author: author._id });
  const fields: NewPost = made;
  await data.put("posts", "d2", fields, { ifRev: 0 });
  await data.patch("posts", "d1", { likes: null, address: { zip: null } });
  await data.patch("posts", "d1", { $inc: { likes: 1 } });
  await data.patch("posts", "d1", { $inc: { likes: 1 }, $now: { published_at: true } });
  await data.commit([
    { op: "create", collection: "users", data: { name: "Ada" } },
    { op: "check", collection: "posts", id: "d1", if_rev: post._rev },
  ]);
  const own = await as(caller).data.get("posts", "d1");
  const note = await data.get("notes", "n1");
  return [titles, maybe, own.title, note.anything];
};

export const refused = async ({ data }: Context<Database>) => {
  // @ts-expect-error: there is no such collection
  await data.get("post", "d1");
  // @ts-expect-error: there is no such field
  (await data.get("posts", "d1")).titel;
  // @ts-expect-error: a title is a string
  await data.create("posts", { title: 5, status: "draft", author: "u1" });
  // @ts-expect-error: an author is missing
  await data.create("posts", { title: "x", status: "draft" });
  // @ts-expect-error: a field is misspelt
  await data.create("posts", { titel: "x", title: "x", status: "draft", author: "u1" });
  // @ts-expect-error: the status has another value
  await data.query("posts", { where: { status: "open" } });
  // @ts-expect-error: the filter has a field that does not exist
  await data.query("posts", { where: { statsu: "done" } });
  // @ts-expect-error: the order has a field that does not exist
  await data.query("posts", { sort: ["-like"] });
  // @ts-expect-error: a required field cannot be removed
  await data.patch("posts", "d1", { title: null });
  // @ts-expect-error: there is no such operator
  await data.patch("posts", "d1", { $increment: { likes: 1 } });
  // @ts-expect-error: an operator does not excuse the field beside it
  await data.patch("posts", "d1", { title: 5, $inc: { likes: 1 } });
  // @ts-expect-error: the patch has a field that does not exist
  await data.commit([{ op: "patch", collection: "posts", id: "d1", data: { titel: "x" } }]);
  // @ts-expect-error: the author is the id of a user, not of a post
  await data.get("users", "u1").then((user) => data.get("posts", "d1").then((post) => user._id === post._id));
  // @ts-expect-error: the write belongs to another collection
  await data.commit([{ op: "create", collection: "users", data: { title: "x" } }]);
  const parts = await data.query("posts", { select: ["title"] });
  // @ts-expect-error: a field that was not selected may be missing
  parts.items[0]?.status.length;
};

/** Without types, everything works as before. */
export const untyped: Handler = async (_, { data }) => (await data.get<{ title: string }>("posts", "d1")).title;

export const batched: Handler<Database> = async (request) => {
  const { events } = (await request.json()) as ChangeBatch<Post>;
  return events.map(({ job, op, document, before }) => [job, op, document?.title ?? before?.title]);
};
