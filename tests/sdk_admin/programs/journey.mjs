/**
 * The usual work of a server with a project. The same program runs with a secret key and with a service account, in
 * every runtime.
 */

import { equal, refusal, until } from "../../sdk_js/programs/harness.mjs";

export async function add(claim, { load, url, project, credential, secret, reader, key, ...accounts }) {
  const { createAdmin, Problem } = await load("admin");
  const known = credential === "service" ? { clientId: accounts.clientId, clientSecret: accounts.clientSecret } : secret;
  const admin = createAdmin(url, known);
  const { users } = admin;
  const posts = admin.data.collection("posts");
  const name = `u${Math.random().toString(36).slice(2)}`;
  const email = `${name}@example.com`;
  const rules = { list: "auth.uid == doc.owner", get: "auth.uid == doc.owner", create: "auth.uid == next.owner" };

  claim("documents are read and written without rules", async () => {
    const made = await posts.create({ title: "Hello", big: 9223372036854775807n });
    equal((await posts.get(made._id)).big, 9223372036854775807n);
    await posts.patch(made._id, { $inc: { likes: 1 } });
    await admin.data.transaction(async (tx) => {
      const { likes } = await tx.collection("posts").get(made._id);
      tx.collection("posts").patch(made._id, { likes: likes + 1 });
    });
    equal((await posts.get(made._id)).likes, 2);
    equal(await posts.count({ title: "Hello", likes: 2 }), 1);
    await posts.delete(made._id);
    equal(await posts.find(made._id), null);
  });

  claim("files are stored in a bucket that a server makes, also as a user, and links work without a key", async () => {
    const owner = createAdmin(url, secret); // the service account has no scope for the settings of buckets
    const { buckets } = owner.files;
    await buckets.create(name, { mime: ["text/*"], rules: { get: "object.owner == auth.uid", create: "auth != null" } });
    equal((await buckets.update(name, { max_bytes: 1000 })).max_bytes, 1000);
    equal([(await buckets.get(name)).mime, (await buckets.list()).some((one) => one.name === name)], [["text/*"], true]);
    await refusal(buckets.create(name), "bucket_exists");
    const bucket = admin.files.bucket(name);
    const { id } = await users.create({ email: `files-${email}` });
    const own = admin.as(id).files.bucket(name);

    await bucket.upload("a.txt", "of the server", { contentType: "text/plain" });
    const stored = await own.upload("b.txt", "of the user", { contentType: "text/plain" });
    await refusal(own.head("a.txt"), "object_not_found");
    await refusal(bucket.upload("big", "x".repeat(1001), { contentType: "text/plain" }), "object_too_large");
    await refusal(bucket.upload("image", "x", { contentType: "image/png" }), "content_type_refused");
    const { url: download } = await owner.files.bucket(name).sign("a.txt", { expiresInSeconds: 60 });
    const upload = await owner.files.bucket(name).sign("c.txt", { method: "PUT", contentType: "text/plain", maxBytes: 10 });
    const put = await fetch(upload.url, { method: upload.method, body: "by a link", headers: { "Content-Type": "text/plain" } });

    equal([stored.owner, await (await own.download("b.txt")).text()], [id, "of the user"]);
    equal([await (await fetch(download)).text(), put.status], ["of the server", 201]);
    equal((await bucket.list()).items.map(({ key }) => key), ["a.txt", "b.txt", "c.txt"]);
    equal((await owner.files.usage()).objects >= 3, true);
    await refusal(buckets.delete(name), "bucket_not_empty");
    await bucket.removeMany(["a.txt", "b.txt", "c.txt"]);
    await buckets.delete(name);
    await users.delete(id);
  });

  claim("users are created, found, changed, banned, signed out and deleted", async () => {
    const made = await users.create({ email, role: "editor", claims: { team: "one" }, password: "apples and pears" });
    equal((await users.get(made.id)).claims, { team: "one" });
    equal((await users.getByEmail(email)).id, made.id);
    await refusal(users.getByEmail("nobody@example.com"), "user_not_found");
    await refusal(users.create({ email }), "email_taken");
    const found = [];
    for await (const user of users.all({ q: name, limit: 1 })) found.push(user.id);
    equal(found, [made.id]);
    const until = new Date(Date.now() + 3_600_000);
    equal((await users.update(made.id, { name: "Eve", banned_until: until })).banned, true);
    equal((await users.update(made.id, { banned: false })).banned_until, null);
    await users.signOut(made.id);
    equal((await users.sessions(made.id)).items, []);
    equal((await users.activity(made.id, { limit: 500 })).items.some(({ action }) => action.includes("ban")), true);
    await users.resetFactors(made.id);
    const link = await users.createLink(made.id, "password_reset");
    equal([link.kind, link.email], ["password_reset", email]);
    await users.delete(made.id);
    await refusal(users.get(made.id), "user_not_found");
  });

  claim("many users are changed at once, and the missing ones are named", async () => {
    const made = await Promise.all([1, 2].map((n) => users.create({ email: `${name}-${n}@example.com` })));
    const ids = made.map(({ id }) => id);
    const { done, failed } = await users.changeMany({ action: "delete", ids: [...ids, "usr_missing"] });
    equal([done, failed], [2, [{ id: "usr_missing", code: "user_not_found" }]]);
  });

  claim("people are invited, and an invitation is withdrawn", async () => {
    const invite = await users.invites.create({ email: `invited-${email}`, role: "editor" });
    equal(invite.url.startsWith("http"), true);
    equal((await users.invites.list({ limit: 500 })).items.some(({ id }) => id === invite.id), true);
    await users.invites.withdraw(invite.id);
    equal((await users.invites.list({ limit: 500 })).items.some(({ id }) => id === invite.id), false);
  });

  claim("users are exported and imported with their ids, and a refused line is named", async () => {
    const made = await users.create({ email: `exported-${email}` });
    const lines = (await textOf(await users.export())).trim().split("\n").map(JSON.parse);
    const line = lines.find(({ id }) => id === made.id);
    await users.delete(made.id);
    const errors = [];
    const sent = [line, { id: "not good" }];
    const done = await users.import(sent, { onError: (error) => errors.push(error) });
    equal([done.imported, done.failed, errors[0].line], [1, 1, 2]);
    equal((await users.get(made.id)).email, `exported-${email}`);
    equal((await users.import(sent, { dryRun: true, onConflict: "update" })).failed, 1);
    await users.delete(made.id);
  });

  claim("as a user, rules apply, and as nobody they apply too", async () => {
    await admin.collections.put("diary", { rules, indexes: [{ fields: ["owner"] }] });
    const { id } = await users.create({ email: `acting-${email}` });
    const mine = await admin.data.collection("diary").create({ owner: id });
    const theirs = await admin.data.collection("diary").create({ owner: "usr_other" });
    const eve = admin.as(id).data.collection("diary");
    equal((await eve.query({ where: { owner: id } })).items.map(({ _id }) => _id), [mine._id]);
    await refusal(eve.get(theirs._id), "document_not_found");
    await refusal(eve.create({ owner: "usr_other" }), "rule_denied");
    equal((await eve.create({ owner: id })).owner, id);
    await refusal(admin.as(null).data.collection("diary").get(mine._id), "document_not_found");
    await refusal(admin.as("usr_nobody").data.collection("diary").get(mine._id), "user_not_found");
    await users.update(id, { banned: true });
    await refusal(eve.get(mine._id), "user_banned");
    await users.delete(id);
    for (const wrong of ["", "-", "usr 1", undefined, 7]) {
      try {
        admin.as(wrong);
      } catch (error) {
        equal(error.code, "invalid_value");
        continue;
      }
      throw new Error(`as(${wrong}) was accepted`);
    }
  });

  claim("no header of a call replaces the user of as", async () => {
    const headers = { "x-bunbase-as": "usr_other", "X-Bunbase-As": "usr_other" };
    const problem = await refusal(admin.as("usr_missing").data.collection("posts").query({}, { headers }), "user_not_found");
    equal(problem.status, 404);
  });

  claim("functions are called with all rights, and as a user", async () => {
    const { id } = await users.create({ email: `calling-${email}` });
    equal((await admin.functions.invoke("echo", { a: 1 })).email, null);
    equal((await admin.as(id).functions.invoke("echo", { a: 1 })).email, `calling-${email}`);
    equal((await admin.as(null).functions.invoke("echo")).email, null);
    const response = await admin.functions.fetch("echo", { method: "PUT", path: "/x?y=1", body: "plain" });
    equal((await response.json()).path, "/x?y=1");
    await users.delete(id);
  });

  claim("collections are made, altered, described and dropped, and misfits are found", async () => {
    const made = await admin.collections.put("things", { indexes: [{ fields: ["size"] }] });
    equal(made.indexes[0].ready, true);
    await admin.data.collection("things").put("one", { size: "large" });
    equal((await admin.collections.get("things")).documents, 1);
    equal((await admin.collections.list()).some((one) => one.name === "things"), true);
    const schema = { properties: { size: { type: "number" } } };
    const { items } = await admin.collections.misfits("things", { schema });
    equal(items.map((one) => one.id), ["one"]);
    await admin.collections.drop("things");
    await refusal(admin.collections.get("things"), "collection_not_found");
  });

  claim("rules are tried out, one case and many", async () => {
    const one = { collection: "diary", op: "create", next: { owner: "a" }, auth: { uid: "a" } };
    equal((await admin.rules.test({ ...one, rules })).allowed, true);
    const { items } = await admin.rules.test({ cases: [one, { ...one, auth: null }], rules: { diary: rules } });
    equal(items.map((decision) => decision.allowed), [true, false]);
  });

  claim("documents are exported and imported as lines, and a refused line is named", async () => {
    await admin.collections.put("sent", { schema: { required: ["n"] }, strict: false });
    await admin.import([{ _id: "a", n: 1 }, { _id: "b", n: 9007199254740993n }], { collection: "sent" });
    const text = await textOf(await admin.export({ collection: "sent" }));
    equal(text.trim().split("\n").map((line) => /"_id":"(\w)"/.exec(line)[1]), ["a", "b"]);
    equal(text.includes("9007199254740993"), true);
    const errors = [];
    const onError = (error) => errors.push(error);
    const again = await admin.import(text + '{"_id":"c"}\n', { collection: "sent", mode: "replace", onError });
    equal([again.imported, again.failed, errors[0].line, errors[0].code], [2, 1, 3, "invalid_document"]);
    equal((await admin.import(new Blob([text]).stream(), { collection: "sent", mode: "skip" })).skipped, 2);
    equal((await admin.import(text, { collection: "sent", mode: "skip", fromLine: 2 })).skipped, 1);
    const rest = await textOf(await admin.export({ collection: "sent", after: "a" }));
    equal(rest.trim().split("\n").length, 1);
    const all = await textOf(await admin.export());
    equal(all.includes('"collection":"sent"'), true);
    await refusal(admin.import([{ n: NaN }], { collection: "sent" }), "invalid_value");
    await refusal(admin.import(7, { collection: "sent" }), "invalid_value");
  });

  claim("changes are read in order, and the iterator ends at the newest one", async () => {
    let since = 0;
    for await (const { seq } of admin.changes()) since = seq;
    const made = await posts.create({ title: "change" });
    const seen = [];
    for await (const { op, id } of admin.changes({ since })) seen.push([op, id]);
    equal(seen, [["create", made._id]]);
  });

  claim("followed changes arrive as they happen, until the signal is aborted", async () => {
    let since = 0;
    for await (const { seq } of admin.changes()) since = seq;
    const abort = new AbortController();
    const seen = [];
    const following = (async () => {
      for await (const { id } of admin.changes({ since, follow: true, signal: abort.signal })) seen.push(id);
    })();
    const made = [await posts.create({}), await posts.create({})].map(({ _id }) => _id);
    await until(() => seen.length === 2, "both changes");
    equal(seen, made);
    abort.abort(new Error("enough"));
    const problem = await refusal(following, "aborted");
    equal(problem.cause.message, "enough");
  });

  claim("a job is enqueued once, also if its request is sent twice", async () => {
    const options = { delay_seconds: 3600, idempotencyKey: name };
    const [one, other] = [await admin.jobs.enqueue("echo", { n: 1 }, options), await admin.jobs.enqueue("echo", { n: 1 }, options)];
    equal([one.id, one.state], [other.id, "waiting"]);
    const at = new Date(Date.now() + 3_600_000);
    equal((await admin.jobs.enqueue("echo", null, { run_at: at })).due_at.slice(0, 16), at.toISOString().slice(0, 16));
  });

  claim("tokens of users are verified offline, and those of services only if they are asked for", async () => {
    const { id } = await users.create({ email: `verified-${email}`, role: "editor" });
    const { access_token: token } = await users.impersonate(id, { reason: "test" });
    equal((await admin.auth.verify(token)).sub, id);
    const { value } = await admin.token({ scopes: ["data:posts:read"] });
    equal((await refusal(admin.auth.verify(value), "invalid_token")).message.includes("allowService: true"), true);
    equal((await admin.auth.verify(value, { allowService: true })).scope, "data:posts:read");
    await refusal(admin.auth.verify(value, { allow_service: true }), "invalid_value");
    for (const bad of [`${token.slice(0, -4)}aaaa`, "", undefined, null, 7])
      equal((await refusal(admin.auth.verify(bad), "invalid_token")).status, 401);
    await users.delete(id);
  });

  claim("a service token is the credential of another program, with its own scopes only", async () => {
    const { value } = await admin.token({ scopes: ["data:posts:read", "users:read"] });
    for (const options of [{}, { project }]) {
      const other = createAdmin(url, value, options);
      await other.data.collection("posts").query({ limit: 1 });
      await refusal(other.data.collection("posts").create({}), "insufficient_scope");
      await refusal(other.functions.list(), "invalid_value");
      await refusal(other.token({ scopes: ["users:read"] }), "invalid_value");
      equal((await other.auth.verify(value, { allowService: true })).scope.split(" ").sort(), ["data:posts:read", "users:read"]);
    }
    await refusal(createAdmin(url, "eyJ.no.token").auth.verify(value), "invalid_value");
    await refusal(createAdmin(url, "eyJ.no.token").users.list(), "invalid_token");
  });

  claim("an option that a call does not have is refused, and nothing is sent", async () => {
    const strict = createAdmin(url, "sk_1", { fetch: () => Promise.reject(new Error("sent")) });
    const posts = strict.data.collection("posts");
    for (const [name, call] of [
      ["delaySeconds", (options) => strict.jobs.enqueue("echo", {}, options)],
      ["colection", (options) => strict.import([{ _id: "a" }], options)],
      ["sinse", (options) => strict.changes(options).next()],
      ["timeout", (options) => strict.users.list({}, options)],
      ["colection", (options) => strict.export(options)],
      ["idempotency_key", (options) => posts.create({}, options)],
      ["if_rev", (options) => posts.put("a", {}, options)],
      ["ifAbsent", (options) => posts.create({}, options)],
      ["idempotencyKey", (options) => strict.users.create({}, options)],
      ["retry", (options) => strict.functions.invoke("echo", {}, options)],
      ["scope", (options) => strict.token(options)],
    ])
      equal((await refusal(call({ [name]: 1 }), "invalid_value")).errors[0].path, name);
    for (const scopes of [undefined, "read"]) await refusal(strict.token({ scopes }), "invalid_value");
  });

  claim("a custom token signs a user in", async () => {
    const { id } = await users.create({ email: `custom-${email}` });
    const token = await admin.auth.customToken(id, { device: "tv" });
    const body = JSON.stringify({ token });
    const headers = { "Content-Type": "application/json", "X-Bunbase-Key": key };
    const answer = await fetch(`${url}/v1/auth/login/custom-token`, { method: "POST", body, headers });
    const { access_token } = await answer.json();
    equal((await admin.auth.verify(access_token)).claims.device, "tv");
    await users.delete(id);
  });

  claim("a token with fewer scopes may do only that, and names its end", async () => {
    const { value, scopes, expiresAt } = await admin.token({ scopes: ["data:posts:read"] });
    equal([scopes, expiresAt > new Date(Date.now() + 500_000)], [["data:posts:read"], true]);
    const headers = { Authorization: `Bearer ${value}`, "Content-Type": "application/json" };
    const status = async (method, path) => (await fetch(url + path, { method, headers, body: method === "POST" ? "{}" : undefined })).status;
    equal(await status("GET", "/v1/data/posts"), 200);
    equal(await status("POST", "/v1/data/posts"), 403);
    equal(await status("GET", "/v1/data/notes"), 403);
    await refusal(admin.token({ scopes: ["no:such"] }), "invalid_scope");
  });

  claim("what only members may do is refused before anything is sent", async () => {
    let sent = 0;
    const counting = createAdmin(url, secret, { fetch: (...request) => (sent++, fetch(...request)) });
    for (const call of [
      () => counting.functions.list(),
      () => counting.functions.deploy("x", { bundle: "" }),
      () => counting.jobs.list(),
      () => counting.schedules.list(),
    ]) {
      const { message } = await refusal(call(), "invalid_value");
      equal(message.includes("personal access token"), true);
    }
    equal(sent, 0);
  });

  claim("an id that would lead to another route is refused, as a rejected promise", async () => {
    for (const id of ["", ".", "..", undefined]) {
      await refusal(users.get(id), "invalid_value");
      await refusal(users.signOut(id), "invalid_value");
      await refusal(admin.collections.drop(id), "invalid_value");
      await refusal(users.invites.withdraw(id), "invalid_value");
    }
  });

  claim("credentials that cannot work are refused at once, and no message has them", async () => {
    for (const wrong of ["", "pk_123456", "secret-4711", null, {}, { clientId: "sa_1" }, { clientId: "a", clientSecret: "b", privateKey: "c" }, "bpt_4711"]) {
      let problem;
      try {
        createAdmin(url, wrong);
      } catch (error) {
        problem = error;
      }
      equal([problem?.code, /4711|123456/.test(problem?.message)], ["invalid_value", false]);
    }
    equal(Problem.is(await refusal(createAdmin(url, "sk_wrong").users.list(), "invalid_key")), true);
    const account = createAdmin(url, { clientId: "sa_none", clientSecret: "scs_wrong" });
    equal((await refusal(account.users.list(), "invalid_client")).status, 401);
  });

  claim("a key keeps its scopes when it acts as a user", async () => {
    const narrow = createAdmin(url, reader);
    const { id } = await users.create({ email: `narrow-${email}` });
    await refusal(narrow.as(id).data.collection("posts").query(), "insufficient_scope");
    await refusal(narrow.as(id).functions.invoke("echo"), "insufficient_scope");
    equal((await narrow.as(id).data.collection("notes").query({ limit: 1 })).items.length <= 1, true);
    await users.delete(id);
  });

  claim("it refuses to start in a page", async () => {
    globalThis.window = { document: {} };
    try {
      createAdmin(url, secret);
    } catch (error) {
      equal(error.code, "invalid_value");
      return;
    } finally {
      delete globalThis.window;
    }
    throw new Error("it started");
  });

  claim("webhooks are checked with the code that functions use", async () => {
    const hook = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const body = '{"test": 2432232314}';
    const time = Math.floor(Date.now() / 1000);
    const signed = async (at) => ({ "webhook-id": "msg_1", "webhook-timestamp": String(at), "webhook-signature": `v1,${await hmac(hook.slice(6), `msg_1.${at}.${body}`)}` });
    const found = await admin.webhooks.verify(body, await signed(time), hook);
    equal([found.id, found.json().test], ["msg_1", 2432232314]);
    await refusal(admin.webhooks.verify(`${body} `, await signed(time), hook), "signature_invalid");
    await refusal(admin.webhooks.verify(body, await signed(time - 400), hook), "timestamp_out_of_tolerance");
    equal((await admin.webhooks.verify(new TextEncoder().encode(body), new Headers(await signed(time - 400)), [hook], { toleranceSeconds: 500 })).text, body);
    const parsed = await refusal(admin.webhooks.verify(JSON.parse(body), await signed(time), hook), "invalid_value");
    equal(parsed.message.includes("as they arrived"), true);
    await refusal(admin.webhooks.verify(body, {}, hook), "signature_missing");
    await refusal(admin.webhooks.verify(body, {}, ""), "invalid_value");
    equal((await refusal(admin.webhooks.verify(body, {}, hook, { scheme: "github" }), "signature_missing")).status, 401);
  });
}

async function hmac(secret, text) {
  const raw = Uint8Array.from(atob(secret), (character) => character.charCodeAt(0));
  const signer = await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const signature = new Uint8Array(await crypto.subtle.sign("HMAC", signer, new TextEncoder().encode(text)));
  return btoa(String.fromCharCode(...signature));
}

async function textOf(stream) {
  return new Response(stream).text();
}
