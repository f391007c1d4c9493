/** Everything that an app does, against a running BunBase. The same program runs in every runtime. */

import { equal, refusal, until } from "./harness.mjs";

const PASSWORD = "apples and pears";
const MOST = 2n ** 63n - 1n;
const LEAST = -(2n ** 63n);

export async function add(claim, { load, url, key, otherKey, mails }) {
  const { createClient, Problem } = await load("index");
  const { createAuth } = await load("auth/index");
  const { createData } = await load("data/index");
  const { createFunctions } = await load("functions/index");

  // The name is new, because the program may run several times against one server.
  const run = Math.random().toString(36).slice(2);
  const name = () => `u${Math.random().toString(36).slice(2)}@example.com`;
  const eve = { email: name(), password: PASSWORD };
  const client = createClient(url, key, { storage: null });
  const posts = client.data.collection("posts");
  const heard = [];
  client.auth.onChange((user, why) => heard.push(`${why} ${user?.email ?? null}`));

  const mailed = (to, pattern) =>
    until(async () => {
      const { items } = await (await fetch(`${mails}&to=${encodeURIComponent(to)}`)).json();
      return items.map(({ text }) => pattern.exec(text)?.[0]).find(Boolean);
    }, `a mail to ${to}`);

  claim("a person signs up, and the callback hears initial once and then the sign-in", async () => {
    await until(() => heard.length === 1, "initial");
    const user = await client.auth.signUp({ ...eve, data: { theme: "dark" } });
    await until(() => heard.length === 2, "signed_in");

    equal([user.email, user.data], [eve.email, { theme: "dark" }]);
    equal(heard, ["initial null", `signed_in ${eve.email}`]);
    equal(client.auth.user?.id, user.id);
  });

  claim("documents are created, read, replaced, changed, counted and deleted", async () => {
    const made = await posts.create({ run, title: "Hello", likes: 1, tags: ["a"] });
    const read = await posts.get(made._id);
    const changed = await posts.patch(made._id, { title: null, $unknown: undefined });
    const counted = await posts.patch(made._id, { $inc: { likes: 2 }, $push: { tags: "b" } });
    const put = await posts.put(`fixed-${run}`, { title: "Put" }, { ifAbsent: true });
    const stale = await refusal(posts.put(`fixed-${run}`, {}, { ifRev: 99 }), "stale_revision");
    const absent = await refusal(posts.put(`fixed-${run}`, {}, { ifRev: 0 }), "stale_revision");

    equal(read, made);
    equal([changed.title, counted.likes, counted.tags, put._rev], [undefined, 3, ["a", "b"], 1]);
    equal([stale.status, absent.status, Problem.is(stale), typeof stale.requestId], [412, 412, true, "string"]);
    equal(await posts.count({ run, likes: { $gte: 3 } }), 1);
    await posts.delete(made._id);
    equal(await posts.find(made._id), null);
    await refusal(posts.delete(made._id), "document_not_found");
  });

  claim("a query returns pages, and the loops walk all of them", async () => {
    await client.data.commit(Array.from({ length: 7 }, (_, n) => ({ op: "create", collection: "notes", data: { n, run, even: n % 2 === 0 } })));
    const notes = client.data.collection("notes");
    const query = { where: { run, n: { $lt: 6 } }, sort: ["-n"], limit: 4, select: ["n"], count: true };

    const page = await notes.query(query);
    const pages = [];
    for await (const { items } of notes.pages(query)) pages.push(items.map(({ n }) => n));
    const all = [];
    for await (const { n } of notes.all({ where: { run }, sort: ["n"], limit: 3 })) {
      all.push(n);
      if (n === 5) break;
    }

    equal([page.count, page.items.length, typeof page.next, Object.keys(page.items[0]).sort()], [6, 4, "string", ["_id", "n"]]);
    equal([pages, all], [[[5, 4, 3, 2], [1, 0]], [0, 1, 2, 3, 4, 5]]);
    equal((await notes.first({ where: { run }, sort: ["-n"] })).n, 6);
    equal(await notes.first({ where: { n: 99 } }), null);
    equal(await notes.aggregate({ where: { run }, group: ["even"], values: { total: { $sum: "n" } } }), [{ even: false, total: 9 }, { even: true, total: 12 }]);
    const sorted = await notes.aggregate({ where: { run }, group: [{ $each: "even", as: "of" }], values: { total: { $sum: "n" } }, sort: ["-total"], limit: 1 });
    equal(sorted, [{ of: true, total: 12 }]);
  });

  claim("±2^63 comes back exactly from create, get, query, put, patch, update, where, a commit and a transaction", async () => {
    const made = await posts.create({ _id: `big-${run}`, run, most: MOST, list: [LEAST, 1], text: `${MOST}` });
    equal([made.most, made.list, made.text], [MOST, [LEAST, 1], `${MOST}`]);
    equal((await posts.get(`big-${run}`)).most, MOST);
    equal((await posts.query({ where: { run, most: MOST } })).items.length, 1);
    equal((await posts.query({ where: { most: { $gte: MOST - 1n, $lt: MOST } } })).items.length, 0);
    equal((await posts.put(`big-${run}`, { most: LEAST })).most, LEAST);
    equal((await posts.patch(`big-${run}`, { most: MOST - 5n })).most, MOST - 5n);
    equal((await posts.patch(`big-${run}`, { $inc: { most: 5n } })).most, MOST);
    equal((await posts.update(`big-${run}`, ({ most }) => ({ most: most - 1n }))).most, MOST - 1n);
    await client.data.commit([{ op: "patch", collection: "posts", id: `big-${run}`, data: { most: LEAST + 1n } }]);
    await client.data.transaction(async (tx) => {
      const { most } = await tx.collection("posts").get(`big-${run}`);
      tx.collection("posts").patch(`big-${run}`, { most: most - 1n });
    });
    equal((await posts.get(`big-${run}`)).most, LEAST);
    equal(await posts.aggregate({ where: { most: LEAST }, values: { least: { $min: "most" } } }), [{ least: LEAST }]);
  });

  claim("numbers that are no 64-bit integers stay numbers, and digits in a text stay a text", async () => {
    const values = [168.79998779296875, -0.0013457057798441524, 12345678901234567.25, 2 ** 53, 1e20, 0.1, -0, 5e-324, 1.7976931348623157e308];
    const text = ['"12345678901234567"', "#i1234567890123456", "\\#9999999999999999", "#s"];

    const { values: numbers, text: texts } = await posts.create({ values, text });

    equal(numbers, values.map((value) => value + 0));
    equal(texts, text);
  });

  claim("undefined is left out of objects and refused in lists, and null is stored by create, put and $set only", async () => {
    const made = await posts.create({ kept: null, gone: undefined, deep: { gone: undefined, kept: null } });
    equal([Object.keys(made).includes("gone"), made.kept, made.deep], [false, null, { kept: null }]);
    equal((await posts.patch(made._id, { kept: undefined, deep: undefined })).deep, { kept: null });
    equal("kept" in (await posts.patch(made._id, { kept: null })), false);
    equal((await posts.patch(made._id, { $set: { kept: null, gone: undefined } })).kept, null);
    equal((await posts.put(made._id, { kept: null, gone: undefined })).kept, null);
    const at = async (value) => (await refusal(posts.create(value), "invalid_value")).errors[0].path;
    equal(
      [await at({ a: [1, undefined] }), await at({ "a/b": NaN }), await at({ f: () => 1 }), await at({ m: new Map() }), await at({ d: new Date(NaN) }), await at({ h: "\ud83d" })],
      ["/a/1", "/a~1b", "/f", "/m", "/d", "/h"],
    );
    const circle = {};
    circle.self = circle;
    await refusal(posts.create(circle), "invalid_value");
    equal((await posts.create({ at: new Date(0) })).at, "1970-01-01T00:00:00.000Z");
  });

  claim("two transactions that change the same document both take effect", async () => {
    await posts.put(`counter-${run}`, { n: 0 });
    let runs = 0;
    const add = () =>
      client.data.transaction(async (tx) => {
        runs++;
        const { n } = await tx.collection("posts").get(`counter-${run}`);
        tx.collection("posts").patch(`counter-${run}`, { n: n + 1 });
        return n;
      }, { attempts: 20 });

    const seen = await Promise.all([add(), add(), add()]);

    equal([(await posts.get(`counter-${run}`)).n, seen.sort()], [3, [0, 1, 2]]);
    if (runs < 3) throw new Error("a transaction did not run");
    const update = () => posts.update(`counter-${run}`, ({ n }) => ({ n: n + 1 }), { attempts: 20 });
    await Promise.all([update(), update()]);
    equal((await posts.get(`counter-${run}`)).n, 5);
  });

  claim("a transaction that throws, or whose documents changed too often, writes nothing", async () => {
    await posts.put(`tx-${run}`, { n: 0 });
    const tx = (work, options) => client.data.transaction(work, options);
    const failed = await tx(async ({ collection }) => { throw new Error("my own"); }).catch((error) => error.message);
    const stale = refusal(
      tx(async (inner) => {
        await inner.collection("posts").get(`tx-${run}`);
        await posts.patch(`tx-${run}`, { $inc: { n: 1 } });
        inner.collection("posts").create({ never: run });
      }, { attempts: 2 }),
      "stale_revision",
    );

    equal(failed, "my own");
    await stale;
    equal([(await posts.get(`tx-${run}`)).n, await posts.count({ never: run })], [2, 0]);
    await refusal(tx(async (inner) => {
      inner.collection("posts").put(`tx-${run}`, {});
      await inner.collection("posts").get(`tx-${run}`);
    }), "invalid_value");
    await tx(async (inner) => {
      equal(await inner.collection("posts").find(`missing-${run}`), null);
      inner.collection("posts").put(`missing-${run}`, { made: true });
    });
    equal((await posts.get(`missing-${run}`)).made, true);
  });

  claim("a function gets JSON and the user, and its answer comes back with exact integers", async () => {
    const answer = await client.functions.invoke("echo", { big: MOST, at: new Date(0) });
    const got = await client.functions.invoke("echo", undefined, { method: "GET", path: "/below?a=1" });

    equal([answer.method, answer.body, answer.email], ["POST", `{"big":${MOST},"at":"1970-01-01T00:00:00.000Z"}`, eve.email]);
    equal([answer.big, got.method, got.path], [MOST, "GET", "/below?a=1"]);
    equal(await client.functions.invoke("echo", undefined, { path: "empty" }), undefined);
    equal(await client.functions.invoke("echo", undefined, { path: "text" }), "plain");
    const refused = await refusal(client.functions.invoke("echo", {}, { path: "teapot" }), "function_answer");
    equal([refused.status, refused.body], [418, "short and stout"]);
    const sold = await refusal(client.functions.invoke("echo", {}, { path: "problem" }), "function_answer");
    equal([sold.status, sold.message, sold.body], [409, "Nothing is left.", { code: "sold_out", detail: "Nothing is left." }]);
    equal((await refusal(client.functions.invoke("echo", {}, { path: "throw" }), "function_error")).status, 500);
    await refusal(client.functions.invoke("missing"), "function_not_found");
    const response = await client.functions.fetch("echo", { method: "PUT", body: new Uint8Array([104, 105]), path: "/x" });
    equal([response.status, (await response.json()).body], [200, "hi"]);
  });

  claim("the user reads and changes the account, the sessions and the activity", async () => {
    const updated = await client.auth.update({ data: { big: MOST }, name: "Eve" });
    const { items } = await client.auth.sessions.list();
    const acts = (await client.auth.activity({ limit: 5 })).items.map(({ action }) => action);

    equal([updated.data, (await client.auth.reload()).name], [{ big: MOST }, "Eve"]);
    equal([items.length, items[0].current, acts.includes("user.sign_up")], [1, true, true]);
    equal([await client.auth.providers(), await client.auth.identities.list(), await client.auth.passkeys.list()], [[], [], []]);
    equal((await client.auth.totp.state()).enabled, false);
    const { secret, uri } = await client.auth.totp.begin();
    equal([secret.length > 10, uri.startsWith("otpauth://")], [true, true]);
    await refusal(client.auth.totp.confirm("000000"), "wrong_code");
  });

  claim("after a change of the password, the same client goes on, and other sessions are over", async () => {
    const other = createClient(url, key, { storage: null });
    await other.auth.signIn(eve);
    eve.password = "another horse battery";
    await client.auth.changePassword({ current: PASSWORD, password: eve.password });
    await client.auth.reauthenticate({ password: eve.password });

    equal((await client.auth.reload()).email, eve.email);
    const gone = await other.auth.reload().catch((error) => error);
    equal([gone.status, other.auth.user], [401, null]);
    await refusal(other.auth.signIn({ email: eve.email, password: PASSWORD }), "invalid_credentials");
  });

  claim("a code and a link of a mail sign in, and a lost password is replaced", async () => {
    const fred = name();
    const other = createClient(url, key, { storage: null });
    await other.auth.sendCode({ email: fred });
    const code = await mailed(fred, /\b\d{6}\b/);
    equal((await other.auth.signIn({ email: fred, code })).email, fred);
    await other.auth.signOut();
    const gina = name();
    await other.auth.sendLink(gina, { redirectTo: "http://127.0.0.1/in" });
    const link = await mailed(gina, /umt_[\w-]+/);
    equal((await other.auth.finishRedirect(`http://127.0.0.1/in?token=${link}`)).email, gina);
    await other.auth.sendPasswordReset(eve.email);
    const reset = await mailed(eve.email, /umt_[\w-]+/);
    await other.auth.resetPassword(reset, PASSWORD);
    eve.password = PASSWORD;
    equal((await other.auth.signIn(eve)).email, eve.email);
    equal((await refusal(other.auth.resetPassword(reset, PASSWORD), "link_expired")).status, 410);
  });

  claim("a visitor becomes a user, and keeps the id and the data", async () => {
    const visitor = createClient(url, key, { storage: null });
    const { id, anonymous } = await visitor.auth.signIn({ anonymous: true, data: { basket: 1 } });
    const user = await visitor.auth.signUp({ email: name(), password: PASSWORD });

    equal([anonymous, user.id, user.data, user.anonymous], [true, id, { basket: 1 }, false]);
    await visitor.auth.deleteUser();
    equal(visitor.auth.user, null);
  });

  claim("each entry works alone, and two projects on one origin stay apart", async () => {
    const stored = new Map();
    const storage = { getItem: async (at) => stored.get(at) ?? null, setItem: async (at, text) => void stored.set(at, text), removeItem: async (at) => void stored.delete(at) };
    const auth = createAuth(url, key, { storage });
    await auth.signIn(eve);
    const data = createData(url, key, { auth });
    const functions = createFunctions(url, key, { auth });
    const again = createClient(url, key, { storage });
    const elsewhere = createClient(url, otherKey, { storage });
    await Promise.all([again.auth.ready, elsewhere.auth.ready]);

    equal((await data.collection("posts").create({ alone: true })).alone, true);
    equal((await functions.invoke("echo")).email, eve.email);
    equal([again.auth.user?.email, elsewhere.auth.user], [eve.email, null]);
    await auth.signOut();
    equal([stored.size, (await refusal(data.collection("posts").create({}), "rule_denied")).status], [0, 403]);
  });

  claim("a signed-out client reads as a stranger, and a stranger is told what to do", async () => {
    await client.auth.signOut();
    const problem = await refusal(posts.create({}), "rule_denied");

    equal([client.auth.user, await client.auth.token(), problem.status], [null, null, 403]);
    if (!problem.message) throw new Error("the problem explains nothing");
    client.close();
  });

  claim("a wrong address, a wrong id and a missing key are refused before anything is sent", async () => {
    for (const make of [() => createClient("nonsense", key), () => createClient(url, ""), () => createClient(url, "sk_1")]) {
      try {
        make();
        throw new Error("accepted");
      } catch (error) {
        equal(error.code, "invalid_value");
      }
    }
    const problem = await Promise.resolve().then(() => posts.get("")).catch((error) => error);
    equal(problem.code, "invalid_value");
  });
}
