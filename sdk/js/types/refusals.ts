/**
 * Programs that must compile, with lines that must not compile: each `@ts-expect-error` fails the check if its line
 * compiles.
 */

import { createClient, Problem, type Patch, type ProblemCode, type Update } from "../src/index.js";
import type { Database } from "./database.js";

const client = createClient<Database>("https://api.example.com", "pk_1");
const posts = client.data.collection("posts");
const anything = createClient("https://api.example.com", "pk_1").data.collection("whatever");
const post = { title: "Hello", draft: false, likes: 0, views: 2n ** 60n, author: "usr_1", state: "new" } as const;

export async function accepted(): Promise<void> {
  const made = await posts.create(post);
  const title: string = made.title;
  const revision: number = made._rev;
  const found = await posts.query({ where: { likes: { $gt: 1 }, tags: "a", "place.city": "Bonn", _created: { $lt: new Date() } }, sort: ["-likes", "place.zip"] });
  const count: number | undefined = found.count;
  const chosen = await posts.query({ select: ["title", "place.city"] });
  const short: string = chosen.items[0]!.title;
  await posts.query({ where: { $or: [{ draft: true }, { title: { $startsWith: "A" } }] }, expand: ["author"] });
  await posts.patch("p", { tags: null, place: { zip: null }, likes: 2 });
  await posts.patch("p", { $inc: { likes: 1, views: 1n }, $push: { tags: "a" }, $set: { "place.city": "Bonn", draft: true }, $unset: { tags: true } });
  await posts.patch("p", { $addToSet: { tags: { $each: ["a", "b"] } } });
  await posts.patch("p", { $push: { tags: { $each: [], $sort: -1, $slice: 5 } }, $pop: { "stops.tags": 1 }, $rename: { title: "extra.title" } });
  await posts.patch("p", { $pullAll: { tags: ["a"] }, $bit: { likes: { and: 7n } }, $currentDate: { "extra.at": { $type: "date" } } });
  await posts.patch("p", { $set: { "stops.$[x].name": "Bonn" }, arrayFilters: [{ "x.name": { $in: ["Bern"] } }], $setOnInsert: { draft: true } });
  await posts.query({ where: { title: { $in: ["a", { $regex: "^b", $options: "i" }] }, likes: { $mod: [2, 1], $type: ["int", "long"] }, tags: { $exists: 1 } } });
  await posts.update("p", ({ likes }) => ({ likes: likes + 1 }));
  await posts.query({ where: { "stops.name": "Bonn", "stops.at.lat": { $gt: 50 }, "extra.anything": 1 }, sort: ["stops.at.lat", "-extra.a.b"] });
  await posts.query({ where: { "place.zip": null, "place.city": { $in: ["Bonn", "Bern"] } }, select: ["stops.name", "extra.anything"] });
  await posts.patch("p", { extra: { any: ["thing"] }, stops: [] });
  await posts.patch("p", { $inc: { likes: 1, "place.visits": 1 }, $now: { "place.zip": true } });
  const change: Patch<Database["posts"]> = { likes: 1 };
  const operators: Update<Database["posts"]> = { $min: { likes: 1 } };
  await posts.patch("p", change);
  await posts.patch("p", operators);
  await posts.update("p", ({ likes }) => (likes > 1 ? change : operators));
  await client.data.commit([
    { op: "create", collection: "users", data: { name: "Eve" } },
    { op: "check", collection: "posts", id: "p", ifRev: 1 },
  ]);
  await client.data.transaction(async (tx) => {
    const { likes } = await tx.collection("posts").get("p");
    tx.collection("posts").patch("p", { likes: likes + 1 });
    return likes;
  });
  for await (const { author } of posts.all({ where: { draft: false } })) console.log(author.toUpperCase());
  const [total] = await posts.aggregate<{ state: string; n: number }>({ group: ["state"], values: { n: { $sum: "likes" } } });
  await posts.aggregate({
    group: [{ $each: "tags", as: "tag" }, { $dateTrunc: { field: "_created", unit: "month", timezone: "Europe/Berlin" } }],
    values: { n: { $count: true }, newest: { $first: { field: "title", sort: ["-_created"] } }, some: { $push: "title" } },
    sort: ["-n"],
    limit: 10,
  });
  console.log(total?.n, title, revision, count, short);
  await client.data.collection("whatever").create({ every: ["thing", 1n] });
  await client.data.collection("whatever").query({ where: { "a.b": 1, c: { $in: [1] } }, sort: ["-a"], select: ["a"] });
  await client.data.collection("whatever").patch("p", { a: null, $set: { b: 1 } });
  await anything.create({ every: ["thing", { is: 1n }] });
  await anything.query({ where: { "a.b.c": { $gt: 1 }, $or: [] }, sort: ["-x"], expand: ["y"] });
  await anything.patch("p", { x: null, $inc: { y: 1 } });
  await posts.count({ likes: { $gt: 1 }, $or: [{ draft: true }] });
  await anything.count({ "a.b": 1, where: "here", $and: [] });
  await anything.count({ where: { $eq: { draft: true } } });
}

export async function refused(): Promise<void> {
  // @ts-expect-error: there is no such collection
  client.data.collection("pots");
  // @ts-expect-error: likes is no list
  await posts.patch("p", { $pop: { likes: 1 } });
  // @ts-expect-error: $pop takes 1 or -1
  await posts.patch("p", { $pop: { tags: 2 } });
  // @ts-expect-error: title is no number
  await posts.patch("p", { $bit: { title: { and: 1 } } });
  // @ts-expect-error: there is no such type
  await posts.query({ where: { likes: { $type: "date" } } });
  // @ts-expect-error: there is no such field
  await posts.create({ ...post, titel: "Hello" });
  // @ts-expect-error: a field is missing
  await posts.create({ title: "Hello" });
  // @ts-expect-error: a field has another type
  await posts.create({ ...post, likes: "many" });
  // @ts-expect-error: no such state
  await posts.create({ ...post, state: "old" });
  // @ts-expect-error: there is no such field
  await posts.query({ where: { titel: "Hello" } });
  // @ts-expect-error: a comparison of different types is never true
  await posts.query({ where: { likes: { $gt: "1" } } });
  // @ts-expect-error: there is no such operator
  await posts.query({ where: { likes: { $greater: 1 } } });
  // @ts-expect-error: there is no such path
  await posts.query({ sort: ["-place.street"] });
  // @ts-expect-error: a path has the type of its field
  await posts.query({ where: { "place.city": 3 } });
  // @ts-expect-error: a path has the type of its field, also in lists
  await posts.query({ where: { "stops.name": { $gt: 3 } } });
  // @ts-expect-error: there is no such path
  await posts.query({ where: { "stops.nam": "Bonn" } });
  // @ts-expect-error: a text has no fields
  await posts.query({ where: { "title.length": 3 } });
  // @ts-expect-error: there is no such path
  await posts.query({ select: ["place.street"] });
  // @ts-expect-error: the field was not selected
  (await posts.query({ select: ["title"] })).items[0]!.likes;
  // @ts-expect-error: a page is no list
  (await posts.query()).map;
  // @ts-expect-error: draft is no reference
  await posts.get("p", { expand: ["draft"] });
  // @ts-expect-error: null would remove a required field
  await posts.patch("p", { title: null });
  // @ts-expect-error: only numbers are added
  await posts.patch("p", { $inc: { title: 1 } });
  // @ts-expect-error: only lists take elements
  await posts.patch("p", { $push: { likes: 1 } });
  // @ts-expect-error: the element has another type
  await posts.patch("p", { $push: { tags: 1 } });
  // @ts-expect-error: there is no such operator
  await posts.patch("p", { $increment: { likes: 1 } });
  // @ts-expect-error: an operator does not excuse the field beside it
  await posts.patch("p", { likes: "many", $inc: { likes: 1 } });
  // @ts-expect-error: a field does not excuse the operator beside it
  await posts.patch("p", { likes: 1, $inc: { title: 1 } });
  // @ts-expect-error: count takes the filter itself, and not a query
  await posts.count({ where: { draft: true } });
  // @ts-expect-error: count takes the filter itself, also if the fields are not known
  await anything.count({ where: { draft: true } });
  // @ts-expect-error: count takes the filter itself, also if it is combined
  await anything.count({ where: { $or: [{ draft: true }] } });
  // @ts-expect-error: a query has no such member
  await anything.query({ draft: true });
  // @ts-expect-error: there is no such option
  await anything.patch("p", { likes: 1 }, { if_rev: 1 });
  // @ts-expect-error: there is no such field
  await posts.patch("p", { liks: 1 });
  // @ts-expect-error: there is no such field
  await posts.patch("p", { $set: { liks: 1 } });
  // @ts-expect-error: the patch has another type
  await posts.update("p", () => ({ likes: "one more" }));
  // @ts-expect-error: the document belongs to another collection
  await client.data.commit([{ op: "create", collection: "posts", data: { name: "Eve" } }]);
  // @ts-expect-error: a create has no revision
  await client.data.commit([{ op: "create", collection: "users", data: { name: "Eve" }, ifRev: 1 }]);
  // @ts-expect-error: one way to sign in has no password
  await client.auth.signIn({ email: "eve@example.com" });
  // @ts-expect-error: the user may be null
  client.auth.user.id;
  // @ts-expect-error: undefined is no JSON in a list
  await client.functions.invoke("hello", [undefined]);
  try {
    await posts.get("p");
  } catch (error) {
    // @ts-expect-error: the error is unknown until it is asked for
    error.code;
    if (Problem.is(error, "document_not_found")) console.log(error.requestId, error.retryAfterMs);
    // @ts-expect-error: the code is misspelt
    if (Problem.is(error, "stale_revison")) return;
    // @ts-expect-error: the code is misspelt
    if (Problem.is(error) && error.code === "stale_revison") return;
    // a code of a newer server
    if (Problem.is(error, "new_code" as ProblemCode) || (Problem.is(error) && (error.code as string) === "new_code")) return;
  }
}
