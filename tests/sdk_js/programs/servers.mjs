/**
 * A program that serves pages, checks tokens and passes cookies on. The program's own tests use the server in memory.
 */

import { equal, refusal } from "./harness.mjs";

export async function add(claim, { load, url, key, project }) {
  const { createClient, Problem } = await load("index");
  const { createRequestClient, createVerifier } = await load("server/index");
  const { createTestClient, createTestServer } = await load("testing/index");
  const eve = { email: `s${Math.random().toString(36).slice(2)}@example.com`, password: "apples and pears" };
  const client = createClient(url, key, { storage: null });
  const user = await client.auth.signUp(eve);
  const origin = "http://127.0.0.1";

  const login = async () => {
    const headers = { "X-Bunbase-Key": key, "Content-Type": "application/json", Origin: origin };
    const response = await fetch(`${url}/v1/auth/login?cookies=1`, { method: "POST", headers, body: JSON.stringify(eve) });
    return response.headers.getSetCookie().map((header) => header.split(";")[0]).join("; ");
  };

  claim("a token is believed only with the project's signature, for the project, and until it expires", async () => {
    let fetches = 0;
    const counting = (...args) => (fetches++, fetch(...args));
    const verifier = createVerifier(url, project, { fetch: counting });
    const token = await client.auth.token();
    const [head, body, signature] = token.split(".");
    const forged = (claims) => btoa(JSON.stringify({ ...JSON.parse(atob(body.replaceAll("-", "+").replaceAll("_", "/"))), ...claims })).replace(/=+$/, "");

    const claims = await Promise.all([1, 2, 3].map(() => verifier.verify(token)));
    equal([claims[0].sub, claims[2].email, fetches], [user.id, eve.email, 1]);
    const refused = [
      `${head}.${forged({ role: "admin" })}.${signature}`,
      `${btoa('{"alg":"none","kid":"x"}')}.${body}.`,
      `${head}.${body}.`,
      `${head}.${body}.%%%`,
      "",
      "a.b.c",
      token.slice(0, -10),
    ];
    for (const bad of refused) await refusal(verifier.verify(bad), "invalid_token");
    const elsewhere = await createVerifier(url, "prj_other").verify(token).catch((error) => error);
    equal(Problem.is(elsewhere), true);
    const now = Date.now.bind(Date);
    Date.now = () => now() + 3 * 3_600_000;
    await refusal(verifier.verify(token), "token_expired");
    Date.now = now;
  });

  claim("unknown keys are looked for once a minute at most", async () => {
    let fetches = 0;
    const verifier = createVerifier(url, project, { fetch: (...args) => (fetches++, fetch(...args)) });
    const unknown = `${btoa('{"alg":"RS256","kid":"nobody"}')}.${btoa(JSON.stringify({ aud: project, type: "user" }))}.AAAA`;
    for (let times = 0; times < 5; times++) await refusal(verifier.verify(unknown), "invalid_token");
    equal(fetches, 1);
  });

  claim("ten parts of a page that are rendered at once see the user of the cookie, and a forged cookie is nobody", async () => {
    const cookie = await login();
    const given = [];
    const part = (text) => createRequestClient(url, key, { cookie: text, origin, onSetCookie: (header) => given.push(header) });
    const users = await Promise.all(Array.from({ length: 10 }, () => part(`theme=dark; ${cookie}`).user()));

    equal(new Set(users.map((found) => found?.id)).size, 1);
    equal([users[0].email, await part(null).user(), await part("theme=dark").user()], [eve.email, null, null]);
    equal(await part(cookie.replace(/=.*/, "=forged")).user(), null);
    const post = await part(cookie).data.collection("posts").create({ by: "cookie" });
    equal(post.by, "cookie");
    equal((await part(cookie).functions.invoke("echo")).email, eve.email);
  });

  claim("the server in memory keeps documents, users and functions for the tests of an app", async () => {
    const { client: app, server } = createTestClient({ functions: { double: ({ n }) => ({ n: n * 2 }), gone: () => new Response("no", { status: 410 }) } });
    await app.auth.signUp({ email: "eve@example.com", password: "apples and pears" });
    const posts = app.data.collection("posts");
    const made = await posts.create({ n: 1, big: 2n ** 60n, tags: ["a"] });
    await posts.patch(made._id, { $inc: { n: 1 }, $push: { tags: "b" } });
    await posts.update(made._id, ({ n }) => ({ n: n + 1 }));
    await app.data.commit([{ op: "put", collection: "posts", id: "p", data: { n: 9 } }]);
    const failed = app.data.commit([{ op: "delete", collection: "posts", id: "p" }, { op: "create", collection: "posts", data: { _id: made._id } }]);
    await refusal(failed, "document_exists");

    await app.data.collection("lists").create({ _id: "l", of: [{ n: 1 }, { n: 2 }, 3, "a"] });
    await app.data.collection("lists").patch("l", { $pull: { of: { n: { $gt: 1 } } } });
    await app.data.collection("lists").patch("l", { $pull: { of: { $startsWith: "a" } } });
    equal((await app.data.collection("lists").get("l")).of, [{ n: 1 }, 3]);
    await refusal(app.data.collection("lists").patch("l", { $set: { "of.$[].n": 1 } }), "invalid_update");
    await refusal(app.data.collection("lists").patch("l", { $push: { of: { $each: [], $sort: 1 } } }), "invalid_update");

    equal((await posts.get(made._id)).big, 2n ** 60n);
    equal((await posts.query({ where: { n: { $gte: 3 }, tags: "b" } })).items.map(({ n, tags }) => [n, tags]), [[3, ["a", "b"]]]);
    equal([await posts.count({ $or: [{ n: 9 }, { n: 3 }] }), server.documents("posts").length], [2, 2]);
    const ordered = [];
    for await (const { n } of posts.all({ sort: ["-n"], limit: 1 })) ordered.push(n);
    equal(ordered, [9, 3]);
    await refusal(posts.put("p", {}, { ifRev: 7 }), "stale_revision");
    equal((await app.functions.invoke("double", { n: 4 })).n, 8);
    await refusal(app.functions.invoke("missing"), "function_not_found");
    server.failNext({ status: 403, code: "rule_denied" });
    await refusal(posts.get("p"), "rule_denied");
    server.failNext("network");
    equal((await posts.get("p")).n, 9);
    await refusal(app.auth.signUp({ email: "eve@example.com", password: "x" }), "email_taken");
    const other = createClient("http://bunbase.test", "pk_test", { storage: null, fetch: createTestServer().fetch });
    await refusal(other.auth.signIn({ email: "eve@example.com", password: "x" }), "invalid_credentials");
    await app.auth.signOut();
    equal([app.auth.user, Problem.is(await refusal(app.auth.reload(), "unauthenticated"))], [null, true]);
  });
}
