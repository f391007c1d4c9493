// Written by `python -m tests.sdk_admin.examples` from the comments in src.

import { type Admin, createAdmin, createAdminFromEnv } from "../src/index.js";

interface Loose {
  [field: string]: any;
}
interface Database {
  [collection: string]: { read: Loose; write: Loose; refs: {} };
}
interface Names {
  admin: Admin<Database>;
  request: Request;
  secret: string;
  signal: AbortSignal;
  token: string;
  uid: string;
  createReadStream(path: string): AsyncIterable<Uint8Array>;
  writeFile(path: string, content: AsyncIterable<Uint8Array>): Promise<void>;
}

// src/admin.ts
export async function example0({ admin }: Names) {
  const stop = admin.live.collection("posts").watch({ where: { draft: true } }, ({ added }) => console.log(added.length));
  const leave = admin.live.channel("rooms/7").join({ message: ({ data }) => console.log(data) });
}

// src/admin.ts
export async function example1({ admin, uid }: Names) {
  const { items } = await admin.as(uid).data.collection("posts").query({ limit: 20 });
}

// src/admin.ts
export async function example2({ admin, writeFile }: Names) {
  const lines = await admin.export({ collection: "posts" });
  await writeFile("posts.ndjson", lines);
}

// src/admin.ts
export async function example3({ admin, createReadStream }: Names) {
  const { imported, failed } = await admin.import(createReadStream("posts.ndjson"), {
    collection: "posts",
    mode: "skip",
    onError: ({ line, detail }) => console.warn(line, detail),
  });
}

// src/admin.ts
export async function example4({ admin, signal }: Names) {
  for await (const change of admin.changes({ since: 0, follow: true, signal })) {
    console.log(change.op, change.collection, change.id);
  }
}

// src/admin.ts
export async function example5({ admin, token }: Names) {
  const { value, expiresAt } = await admin.token({ scopes: ["data:posts:read"] });
}

// src/auth.ts
export async function example6({ admin, token }: Names) {
  const { sub, role } = await admin.auth.verify(token);
}

// src/auth.ts
export async function example7({ admin, uid }: Names) {
  const customToken = await admin.auth.customToken(uid, { device: "tv" });
}

// src/channels.ts
export async function example8({ admin }: Names) {
  const rooms = (await admin.channels.get())["rooms/{room}"];
}

// src/channels.ts
export async function example9({ admin }: Names) {
  await admin.channels.put({ "rooms/{room}": { rules: { subscribe: "auth != null" }, presence: true } });
}

// src/channels.ts
export async function example10({ admin }: Names) {
  await admin.channels.publish({ channel: "rooms/7", data: { text: "hello" } });
}

// src/collections.ts
export async function example11({ admin }: Names) {
  const names = (await admin.collections.list()).map(({ name }) => name);
}

// src/collections.ts
export async function example12({ admin }: Names) {
  const { documents, indexes } = await admin.collections.get("posts");
}

// src/collections.ts
export async function example13({ admin, uid }: Names) {
  await admin.collections.put("posts", {
    indexes: [{ fields: ["owner", "-_created"] }],
    rules: { get: "true", list: "true", create: "auth.uid == next.owner" },
  });
}

// src/collections.ts
export async function example14({ admin }: Names) {
  await admin.collections.drop("drafts");
}

// src/collections.ts
export async function example15({ admin }: Names) {
  const { items, next } = await admin.collections.misfits("posts", { schema: { required: ["title"] } });
}

// src/files.ts
export async function example16({ admin }: Names) {
  const { url } = await admin.files.bucket("photos").sign("rye.jpg", { expiresInSeconds: 600 });
}

// src/files.ts
export async function example17({ admin, uid }: Names) {
  const { items } = await admin.as(uid).files.bucket("photos").list();
}

// src/files.ts
export async function example18({ admin, createReadStream }: Names) {
  await admin.files.bucket("photos").upload("rye.jpg", createReadStream("rye.jpg"), { contentType: "image/jpeg" });
}

// src/files.ts
export async function example19({ admin }: Names) {
  const { bytes, max_bytes } = await admin.files.usage();
}

// src/files.ts
export async function example20({ admin }: Names) {
  const names = (await admin.files.buckets.list()).map(({ name }) => name);
}

// src/files.ts
export async function example21({ admin }: Names) {
  const { rules } = await admin.files.buckets.get("photos");
}

// src/files.ts
export async function example22({ admin, uid }: Names) {
  await admin.files.buckets.create("photos", { mime: ["image/*"], rules: { get: "object.owner == auth.uid" } });
}

// src/files.ts
export async function example23({ admin }: Names) {
  await admin.files.buckets.update("photos", { max_bytes: 10_000_000 });
}

// src/files.ts
export async function example24({ admin }: Names) {
  await admin.files.buckets.delete("photos");
}

// src/functions.ts
export async function example25({ admin }: Names) {
  const { total } = await admin.functions.invoke<{ total: number }>("checkout", { basket: "b1" }, { retries: 2 });
}

// src/functions.ts
export async function example26({ admin }: Names) {
  const response = await admin.functions.fetch("report", { method: "GET", path: "/2026.pdf" });
}

// src/functions.ts
export async function example27({ admin }: Names) {
  const { items } = await admin.functions.list();
}

// src/functions.ts
export async function example28({ admin }: Names) {
  const { version, config } = await admin.functions.get("hello");
}

// src/functions.ts
export async function example29({ admin }: Names) {
  const { version } = await admin.functions.deploy("hello", {
    bundle: "module.exports.default = () => 'Hello';",
    config: { access: "key" },
  });
}

// src/functions.ts
export async function example30({ admin }: Names) {
  await admin.functions.rollback("hello", 3);
}

// src/functions.ts
export async function example31({ admin }: Names) {
  await admin.functions.delete("hello");
}

// src/functions.ts
export async function example32({ admin }: Names) {
  const { items } = await admin.functions.versions("hello");
}

// src/functions.ts
export async function example33({ admin }: Names) {
  const code = await admin.functions.bundle("hello", 3);
}

// src/functions.ts
export async function example34({ admin }: Names) {
  const { items } = await admin.functions.runs("hello", { outcome: "error" });
}

// src/functions.ts
export async function example35({ admin }: Names) {
  const { calls, errors, p95_ms } = await admin.functions.stats("hello", { hours: 24 });
}

// src/functions.ts
export async function example36({ admin, signal }: Names) {
  for await (const line of admin.functions.logs("hello", { level: "warn", most: 100 })) console.log(line.at, line.text);
  for await (const line of admin.functions.logs(null, { follow: true, signal })) console.log(line.function, line.text);
}

// src/index.ts
export async function example37({ uid }: Names) {
  const admin = createAdmin("https://api.example.com", "sk_…");
  const post = await admin.data.collection("posts").create({ title: "Hello" });
  await admin.users.update(uid, { role: "editor" });
}

// src/index.ts
export async function example38({  }: Names) {
  const admin = createAdmin<Database>("https://api.example.com", { clientId: "sa_…", clientSecret: "scs_…" });
}

// src/index.ts
export async function example39({  }: Names) {
  const admin = await createAdminFromEnv<Database>();
}

// src/jobs.ts
export async function example40({ admin }: Names) {
  const job = await admin.jobs.enqueue("resize", { image: "rye.jpg" }, { delay_seconds: 60 });
}

// src/jobs.ts
export async function example41({ admin }: Names) {
  const { items } = await admin.jobs.list({ state: "dead" });
}

// src/jobs.ts
export async function example42({ admin }: Names) {
  const { state, error } = await admin.jobs.get("job_1");
}

// src/jobs.ts
export async function example43({ admin }: Names) {
  await admin.jobs.replay("job_1");
}

// src/jobs.ts
export async function example44({ admin }: Names) {
  await admin.jobs.delete("job_1");
}

// src/jobs.ts
export async function example45({ admin }: Names) {
  const { items } = await admin.schedules.list();
}

// src/rules.ts
export async function example46({ admin, uid }: Names) {
  const { allowed, trace } = await admin.rules.test({
    collection: "posts",
    op: "create",
    next: { owner: "usr_1" },
    auth: { uid: "usr_1" },
    rules: { create: "auth.uid == next.owner" },
  });
}

// src/users.ts
export async function example47({ admin, uid }: Names) {
  const { email, role } = await admin.users.get(uid);
}

// src/users.ts
export async function example48({ admin }: Names) {
  const eve = await admin.users.getByEmail("eve@example.com");
}

// src/users.ts
export async function example49({ admin }: Names) {
  const { items, next } = await admin.users.list({ role: "editor", limit: 100 });
}

// src/users.ts
export async function example50({ admin }: Names) {
  for await (const user of admin.users.all({ banned: true })) console.log(user.id, user.banned_until);
}

// src/users.ts
export async function example51({ admin }: Names) {
  const eve = await admin.users.create({ email: "eve@example.com", role: "editor" });
}

// src/users.ts
export async function example52({ admin, uid }: Names) {
  await admin.users.update(uid, { role: "editor", claims: { team: "one" } });
  await admin.users.update(uid, { banned: true });
}

// src/users.ts
export async function example53({ admin, uid }: Names) {
  await admin.users.delete(uid);
}

// src/users.ts
export async function example54({ admin, uid }: Names) {
  await admin.users.signOut(uid);
}

// src/users.ts
export async function example55({ admin, uid }: Names) {
  const { items } = await admin.users.sessions(uid);
}

// src/users.ts
export async function example56({ admin, uid }: Names) {
  const { items } = await admin.users.activity(uid, { limit: 100 });
}

// src/users.ts
export async function example57({ admin, uid }: Names) {
  const { access_token } = await admin.users.impersonate(uid, { reason: "ticket 4711" });
}

// src/users.ts
export async function example58({ admin, uid }: Names) {
  const { url } = await admin.users.createLink(uid, "password_reset");
}

// src/users.ts
export async function example59({ admin, uid }: Names) {
  await admin.users.resetFactors(uid);
}

// src/users.ts
export async function example60({ admin }: Names) {
  const { done, failed } = await admin.users.changeMany({ action: "ban", ids: ["usr_1", "usr_2"] });
}

// src/users.ts
export async function example61({ admin, writeFile }: Names) {
  const lines = await admin.users.export();
  await writeFile("users.ndjson", lines);
}

// src/users.ts
export async function example62({ admin, createReadStream }: Names) {
  const { imported, failed } = await admin.users.import(createReadStream("users.ndjson"), {
    onError: ({ line, detail }) => console.warn(line, detail),
  });
}

// src/users.ts
export async function example63({ admin }: Names) {
  const { items } = await admin.users.invites.list();
}

// src/users.ts
export async function example64({ admin }: Names) {
  const { id, url } = await admin.users.invites.create({ email: "fred@example.com", role: "editor" });
}

// src/users.ts
export async function example65({ admin }: Names) {
  await admin.users.invites.withdraw("inv_1");
}

// src/webhooks.ts
export async function example66({ admin, request, secret }: Names) {
  const event = await admin.webhooks.verify(await request.text(), request.headers, secret, { scheme: "stripe" });
  const { type } = event.json<{ type: string }>();
}
