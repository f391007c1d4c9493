/**
 * Makes every call once, with a `fetch` that records the request and returns a fitting answer. Prints `METHOD path`
 * lines.
 */

import { readFileSync } from "node:fs";

const [folder] = process.argv.slice(2);
const { createAdmin } = await import(`${folder}/admin.js`);

const sent = new Set();
const ofUser = Buffer.from(JSON.stringify({ aud: "prj_1", type: "user" })).toString("base64url");
const claims = Buffer.from(JSON.stringify({ aud: "prj_1" })).toString("base64url");
const answer = {
  ...{ access_token: `e30.${claims}.x`, expires_in: 600, scope: "data:read", token: "t", id: "prj_1", name: "n" },
  ...{ items: [{ _id: "d", _rev: 1, n: 1, seq: 1 }], next: null, keys: [], results: [], errors: [], seq: 1, _id: "d", _rev: 1 },
};
const noting = async (url, { method, body }) => {
  const { pathname, search } = new URL(url);
  sent.add(`${method} ${pathname}`);
  if (body instanceof ReadableStream) await new Response(body).text();
  if (pathname === "/v1/changes") return Response.json({ items: [], next: 0 });
  if (search.includes("follow=true")) return new Response('data: {"seq":1}\n\n');
  return new Response(method === "HEAD" ? null : JSON.stringify(answer), { headers: { "Content-Type": "application/json", "Last-Modified": "Mon, 30 Nov 2026 00:00:00 GMT" } });
};
const options = { fetch: noting, project: "shop" };
const server = createAdmin("http://bunbase.test", "sk_1", { fetch: noting });
const member = createAdmin("http://bunbase.test", "bpt_1", options);
const account = createAdmin("http://bunbase.test", { clientId: "sa_1", clientSecret: "scs_1" }, options);
const posts = server.as("usr_1").data.collection("posts");
const bucket = server.files.bucket("photos");
const drained = async (iterable) => {
  for await (const _ of iterable) break;
};

const calls = [
  () => posts.get("d"),
  () => posts.find("d"),
  () => posts.query(),
  () => posts.first(),
  () => posts.count(),
  () => posts.aggregate({ values: { n: { $count: true } } }),
  () => posts.create({}),
  () => posts.put("d", {}),
  () => posts.patch("d", {}),
  () => posts.update("d", () => ({ n: 1 })),
  () => posts.delete("d"),
  () => server.data.commit([]),
  () => server.data.transaction((tx) => tx.collection("posts").create({})),
  () => server.files.usage(),
  () => server.files.buckets.list(),
  () => server.files.buckets.get("photos"),
  () => server.files.buckets.create("photos"),
  () => server.files.buckets.update("photos", {}),
  () => server.files.buckets.delete("photos"),
  () => bucket.upload("a", "a"),
  () => bucket.upload("a", "a", { resumable: true }),
  () => bucket.download("a"),
  () => bucket.find("a"),
  () => bucket.list(),
  () => bucket.copy("a", "b"),
  () => bucket.move("a", "b"),
  () => bucket.remove("a"),
  () => bucket.removeMany(["a"]),
  () => bucket.sign("a"),
  () => server.as("usr_1").files.bucket("photos").list(),
  () => server.functions.invoke("hello"),
  ...["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"].flatMap((method) => [
    () => server.functions.fetch("hello", { method }),
    () => server.functions.fetch("hello", { method, path: "/below" }),
  ]),
  () => server.users.get("u"),
  () => server.users.getByEmail("e"),
  () => server.users.list(),
  () => drained(server.users.all()),
  () => server.users.create({}),
  () => server.users.update("u", {}),
  () => server.users.delete("u"),
  () => server.users.signOut("u"),
  () => server.users.sessions("u"),
  () => server.users.activity("u"),
  () => server.users.impersonate("u"),
  () => server.users.createLink("u", "sign_in"),
  () => server.users.resetFactors("u"),
  () => server.users.changeMany({ action: "ban", ids: [] }),
  () => server.users.export(),
  () => server.users.import([{}]),
  () => server.users.invites.list(),
  () => server.users.invites.create({ email: "e" }),
  () => server.users.invites.withdraw("i"),
  () => server.auth.customToken("u"),
  () => server.auth.verify(`eyJraWQiOiJrIn0.${ofUser}.x`).catch(() => {}),
  () => member.auth.verify(`eyJraWQiOiJrIn0.${ofUser}.x`).catch(() => {}),
  () => account.token({ scopes: ["data:read"] }),
  () => server.collections.list(),
  () => server.collections.get("c"),
  () => server.collections.put("c", {}),
  () => server.collections.drop("c"),
  () => server.collections.misfits("c"),
  () => server.rules.test({ collection: "c", op: "list" }),
  () => server.channels.get(),
  () => server.channels.put({}),
  () => server.channels.publish({ channel: "c", data: 1 }),
  () => server.jobs.enqueue("f"),
  () => server.export(),
  () => server.import([]),
  () => drained(server.changes()),
  () => member.export(),
  () => member.import([]),
  () => member.jobs.enqueue("f"),
  () => member.jobs.list(),
  () => member.jobs.get("j"),
  () => member.jobs.replay("j"),
  () => member.jobs.delete("j"),
  () => member.schedules.list(),
  () => member.functions.list(),
  () => member.functions.get("f"),
  () => member.functions.deploy("f", { bundle: "" }),
  () => member.functions.rollback("f"),
  () => member.functions.delete("f"),
  () => member.functions.versions("f"),
  () => member.functions.bundle("f", 1),
  () => member.functions.runs("f"),
  () => member.functions.stats("f"),
  () => drained(member.functions.logs("f")),
  () => drained(member.functions.logs(null, { follow: true })),
];
for (const call of calls) await call();

const named = { admin: server, collection: posts, bucket };
const has = (path) => typeof path.split(".").reduce((at, name) => at?.[name], named) === "function";
const { covered } = JSON.parse(readFileSync(new URL("../../../sdk/admin/operations.json", import.meta.url)));
console.log(JSON.stringify({ sent: [...sent], missing: Object.values(covered).filter((path) => !has(path)) }));
