/** Hostile values that a program gets from strangers, calls at bad moments, and servers that are not BunBase. */

import { createServer } from "node:http";
import { equal, refusal } from "./harness.mjs";

const JSON_TYPE = { "Content-Type": "application/json" };
const EVE = { id: "usr_eve", email: "eve@example.com" };
const FRED = { id: "usr_fred", email: "fred@example.com" };

export async function add(claim, { load }) {
  const { createClient } = await load("index");
  const { createVerifier } = await load("server/index");
  const { createData } = await load("data/index");
  const { createFunctions } = await load("functions/index");
  const { createAuth } = await load("auth/index");
  const { createTestClient } = await load("testing/index");

  /** Returns a client whose `fetch` notes each request as `METHOD path`, and answers with `answer`. */
  const noting = (answer = () => Response.json({}), options = {}) => {
    const sent = [];
    const fetch = async (url, init) => {
      sent.push(`${init.method} ${new URL(url).pathname}`);
      return answer(url, init, sent.length);
    };
    const client = createClient("http://bunbase.test", "pk_1", { storage: null, fetch, ...options });
    return { client, sent, posts: client.data.collection("posts") };
  };

  const tokensOf = (user) => ({ user, access_token: `access of ${user.id}`, refresh_token: `refresh of ${user.id}`, expires_in: 900 });
  const signIn = (client) => client.auth.signIn({ email: "e", password: "p" });

  claim("an id, a name or a path that a stranger chose leads nowhere else", async () => {
    const { client, sent, posts } = noting();
    const { auth, functions } = client;
    const calls = [
      (id) => posts.get(id),
      (id) => posts.put(id, {}),
      (id) => posts.delete(id),
      (name) => client.data.collection(name).query(),
      (name) => client.data.collection(name).create({}),
      (id) => auth.sessions.end(id), // An empty id would end all sessions.
      (id) => auth.identities.unlink(id),
      (id) => auth.passkeys.rename(id, "name"),
      (id) => auth.passkeys.remove(id),
      (name) => functions.invoke(name),
      (name) => functions.fetch(name),
    ];
    for (const call of calls) for (const id of ["", ".", "..", "\ud800", 5, null]) await refusal(call(id), "invalid_value");
    const paths = ["/..", "../other", "/../../auth/sessions", "/%2e%2e/other", "/.%2E/other", "/..\\other", "/.\t./other", "/a/../../other"];
    for (const path of paths) await refusal(functions.invoke("mine", {}, { path }), "invalid_value");
    equal(sent, []);

    for (const id of ["a/b", "../x", "%2e%2e", "a?b#c", "a\0b", "a\\b"]) await posts.get(id);
    for (const path of ["/a/../b", "/a//b/", "?x=..", "c"]) await functions.invoke("mine", {}, { path });
    equal(new Set(sent.slice(0, 6).map((line) => line.split("/").length)), new Set([5]));
    equal(sent.slice(6).map((line) => line.slice("POST /v1/functions/mine".length)), ["/b", "/a//b/", "", "/c"]);
  });

  claim("only an address of the web is a server, with or without a path", async () => {
    for (const url of ["localhost:7070", "ftp://example.com", "javascript:alert(1)", "file:///etc", "data:,x", "//example.com", "httpx://h", ""])
      await refusal((async () => createClient(url, "pk_1"))(), "invalid_value");
    const sent = [];
    const fetch = async (url) => (sent.push(url), Response.json({}));
    for (const url of ["http://h", "http://h/", "http://h//", "http://h/base/", "http://u:secret@h/base?x#y"])
      await createClient(url, "pk_1", { storage: null, fetch }).data.collection("a").get("b");
    equal(sent, ["", "", "", "/base", "/base"].map((base) => `http://h${base}/v1/data/a/b`));
  });

  claim("a redirect gets no password, no token and no document", async () => {
    const got = [];
    const other = await listening((request, response) => (got.push(request.url), response.end("{}")));
    const first = await listening((_, response) => response.writeHead(307, { Location: `${other.url}/elsewhere` }).end());
    try {
      const client = createClient(first.url, "pk_1", { storage: null });
      await refusal(signIn(client), "unexpected_answer");
      const problem = await refusal(client.data.collection("posts").create({ secret: 1 }), "unexpected_answer");
      await refusal(createVerifier(first.url, "prj_1").verify(`eyJraWQiOiJrIn0.${btoa('{"aud":"prj_1","type":"user"}')}.x`), "unexpected_answer");
      equal([got, problem.status], [[], 307]);
    } finally {
      for (const server of [first, other]) server.close();
    }
  });

  claim("a flood of tokens with unknown keys is no flood of requests, also while the keys cannot be fetched", async () => {
    let requests = 0;
    const fetch = async () => (requests++ ? new Response("", { status: 500 }) : Response.json({ keys: [] }));
    const verifier = createVerifier("http://bunbase.test", "prj_1", { fetch });
    const now = Date.now;
    const verify = (kid) => verifier.verify(`${btoa(JSON.stringify({ kid }))}.${btoa('{"aud":"prj_1","type":"user"}')}.AA`).catch((error) => error.code);
    try {
      await verify("a");
      Date.now = () => now() + 120_000;
      for (const kid of ["b", "c", "d", "e"]) await verify(kid);
      equal(requests, 2);
    } finally {
      Date.now = now;
    }
  });

  claim("a call is sent for its user only: not for the next one, and not for nobody", async () => {
    const switches = [(client) => client.auth.signOut(), (client) => signIn(client), (client) => client.auth.signOut().then(() => signIn(client))];
    for (const change of switches) {
      const users = [EVE, FRED];
      const writes = [];
      const { client, posts } = noting(async (url, { method, headers }) => {
        if (url.endsWith("/login")) return Response.json(tokensOf(users.shift()));
        if (method !== "PUT") return new Response(null, { status: 204 });
        writes.push(headers.Authorization);
        await change(client);
        throw new TypeError("the connection broke after the write");
      });
      await signIn(client);
      await refusal(posts.put("x", {}), "aborted");
      equal(writes, [`Bearer access of ${EVE.id}`]);
    }
    const { client, posts } = noting((url, _, n) => {
      if (url.endsWith("/login")) return Response.json(tokensOf(EVE));
      if (n === 1) return signIn(client).then(() => Promise.reject(new TypeError("broken")));
      return Response.json({});
    });
    await refusal(posts.put("x", {}), "aborted"); // This page began no such sign-in.
  });

  claim("an answer about one user that arrives after the sign-in of another changes nothing", async () => {
    for (const call of [(auth) => auth.reauthenticate({ password: "p" }), (auth) => auth.update({ name: "E" }), (auth) => auth.deleteUser()]) {
      const users = [EVE, FRED];
      const { client } = noting(async (url) => {
        if (url.endsWith("/login")) return Response.json(tokensOf(users.shift()));
        await signIn(client);
        return Response.json({ access_token: "a late token of Eve", expires_in: 900, user: EVE });
      });
      await signIn(client);
      await call(client.auth);
      equal([client.auth.user.id, await client.auth.token()], [FRED.id, `access of ${FRED.id}`]);
    }
  });

  claim("a function that answers as if the token were bad has run once, and the session stays", async () => {
    const headers = { "X-Bunbase-Function-Version": "1" };
    const { client, sent } = noting((url) => {
      if (url.endsWith("/login")) return Response.json(tokensOf(EVE));
      return Response.json({ code: "invalid_token" }, { status: 401, headers });
    });
    await signIn(client);
    equal((await refusal(client.functions.invoke("mine"), "function_answer")).body, { code: "invalid_token" });
    equal([(await client.functions.fetch("mine")).status, sent.length, client.auth.user.id], [401, 3, EVE.id]);
  });

  claim("the error of a function has its status, its answer and its text, and no code of BunBase", async () => {
    const answers = [
      [{ code: "stale_revision", detail: "fake" }, "fake"],
      [{ detail: { a: 1 }, message: "No apples" }, "No apples"],
      [{ error: "No pears" }, "No pears"],
      [{ error: { deep: 1 }, message: "" }, "The function answered with status 412."],
      [["a", 1], "The function answered with status 412."],
    ];
    for (const [answer, message] of answers) {
      const { client } = noting(() => Response.json(answer, { status: 412, headers: { "X-Bunbase-Function-Version": "1", "Retry-After": "3" } }));
      const problem = await refusal(client.functions.invoke("mine"), "function_answer");
      equal([problem.status, problem.message, problem.body, problem.retryAfterMs], [412, message, answer, 3000]);
    }
    // This answer comes from BunBase, because it has no version of a function.
    const { client } = noting(() => Response.json({ code: "rate_limited" }, { status: 429 }));
    await refusal(client.functions.invoke("mine"), "rate_limited");
  });

  claim("a function whose JSON is broken was reached, and its answer is unexpected", async () => {
    const headers = { ...JSON_TYPE, "X-Bunbase-Function-Version": "1" };
    for (const [status, code] of [[200, "unexpected_answer"], [400, "function_answer"]]) {
      const { client } = noting(() => new Response("{bad", { status, headers }));
      equal((await refusal(client.functions.invoke("mine"), code)).status, status);
    }
  });

  claim("undefined in a filter is refused with its path, and nothing is sent", async () => {
    const { sent, posts } = noting(() => Response.json({ items: [], next: null }));
    const values = { n: { $count: true } };
    const calls = [
      [() => posts.query({ where: { owner: undefined } }), "/where/owner"],
      [() => posts.query({ where: { $or: [{ a: 1 }, { "b~/": { $gt: undefined } }] } }), "/where/$or/1/b~0~1/$gt"],
      [() => posts.first({ where: { owner: undefined } }), "/where/owner"],
      [() => posts.all({ where: { owner: undefined } }).next(), "/where/owner"],
      [() => posts.count({ owner: undefined }), "/where/owner"],
      [() => posts.aggregate({ where: { owner: undefined }, values }), "/where/owner"],
    ];
    for (const [call, path] of calls) equal((await refusal(call(), "invalid_value")).errors[0].path, path);
    equal(sent, []);
    await posts.query({ where: undefined, limit: undefined });
    await posts.count();
    await posts.put("x", { where: { a: undefined } }); // This value is a document and not a filter.
    equal(sent.length, 3);
  });

  claim("a query in place of a filter is refused, and so is an option that does not exist", async () => {
    const { sent, posts } = noting(() => Response.json({ items: [{ n: 2 }], next: null }));
    const calls = [
      [() => posts.count({ where: { likes: 1 } }), "where"],
      [() => posts.count({ where: {}, limit: 10 }), "where"],
      [() => posts.count({ where: { $or: [{ a: 1 }] } }), "where"],
      [() => posts.patch("a", { likes: 1 }, { if_rev: 3 }), "if_rev"],
      [() => posts.put("a", { likes: 1 }, { ifAbsent: true, ifrev: 3 }), "ifrev"],
      [() => posts.delete("a", { rev: 3 }), "rev"],
    ];
    for (const [call, path] of calls) equal((await refusal(call(), "invalid_value")).errors[0].path, path);
    equal(sent, []);
    equal(await posts.count({ where: { $eq: { likes: 1 } } }), 2);
    await posts.count({ where: "here" });
    await posts.patch("a", {}, { ifRev: 3, idempotencyKey: "k", timeoutMs: 1000, retries: 0, headers: {}, signal: undefined });
  });

  claim("a secret key is refused by every client of end users", async () => {
    for (const make of [createClient, createData, createFunctions, createAuth])
      await refusal((async () => make("http://bunbase.test", "sk_1"))(), "invalid_value");
  });

  claim("the server in memory fails as BunBase does, and tells what it does not know", async () => {
    const functions = {
      throws: () => { throw new Error("boom"); },
      refuses: () => Response.json({ code: "stale_revision", error: "No" }, { status: 400 }),
      works: () => ({ done: true }),
    };
    const { client, server } = createTestClient({ functions });
    const posts = client.data.collection("posts");
    equal((await refusal(client.functions.invoke("throws"), "function_error")).status, 500);
    const refused = await refusal(client.functions.invoke("refuses"), "function_answer");
    equal([refused.status, refused.message, refused.body], [400, "No", { code: "stale_revision", error: "No" }]);
    equal(await client.functions.invoke("works"), { done: true });
    await posts.put("a", {});
    equal((await refusal(posts.get("b"), "document_not_found")).message, "There is no document b in posts.");
    const unknown = [
      () => posts.query({ where: { $search: "foo" } }),
      () => posts.query({ where: { $or: [{ $text: 1 }] } }),
      () => client.data.collection("none").query({ where: { a: { $not: { $regex: "x" } } } }),
      () => posts.query({ expand: ["post"] }),
      () => posts.query({ select: ["a"] }),
      () => posts.get("a", { expand: ["post"] }),
    ];
    for (const call of unknown)
      if (!/^The server in memory does not know .* bunbase dev\.$/.test((await refusal(call(), "invalid_query")).message)) throw new Error(`${call}`);
    for (const call of [() => client.auth.sendCode({ email: "e" }), () => client.auth.sessions.list(), () => client.auth.signIn({ email: "e", code: "1" })])
      equal((await refusal(call(), "not_found")).message.startsWith("The server in memory does not know /v1/auth/"), true);
    for (const failure of ["stale_revision", {}, { status: 200, code: "x" }, { status: 412 }, undefined, null])
      await refusal((async () => server.failNext(failure))(), "invalid_value");
    server.failNext({ status: 412, code: "stale_revision" });
    await refusal(posts.put("a", {}, { ifRev: 1 }), "stale_revision");
    await posts.put("a", {}, { ifRev: 1 });
    equal(server.requests.at(-1), { method: "PUT", path: "/v1/data/posts/a", body: {} });
  });

  claim("a token of another project is refused before its key is looked for", async () => {
    const token = `${btoa('{"kid":"k"}')}.${btoa('{"aud":"prj_2","type":"user"}')}.AA`;
    const verifier = createVerifier("http://bunbase.test", "prj_1", { fetch: () => Promise.reject(new Error("asked")) });
    const { message } = await refusal(verifier.verify(token), "invalid_token");
    equal(message, "The token is not of a user of this project. Check the id of the project.");
  });

  claim("a time to wait that is negative, a date or nonsense is not waited for, and an endless one is thrown", async () => {
    for (const [after, tries] of [["-5", 2], ["Fri, 31 Dec 9999 23:59:59 GMT", 2], ["soon", 2], ["", 2], ["0", 2], ["1e999", 1], ["99999999999999999999", 1]]) {
      const { sent, posts } = noting(() => Response.json({ code: "rate_limited" }, { status: 429, headers: { "Retry-After": after } }));
      const problem = await refusal(posts.get("x", { retries: 1 }), "rate_limited");
      equal([after, sent.length, problem.retryAfterMs === undefined || problem.retryAfterMs >= 0], [after, tries, true]);
    }
  });

  claim("a key or a header that HTTP cannot send is refused at once", async () => {
    const { client, sent, posts } = noting();
    for (const idempotencyKey of ["schlüssel🔑", "two\nlines", "\0"]) {
      await refusal(posts.create({}, { idempotencyKey }), "invalid_value");
      await refusal(client.functions.invoke("mine", {}, { idempotencyKey, retries: 2 }), "invalid_value");
    }
    await refusal(posts.get("x", { headers: { "no name": "x" } }), "invalid_value");
    await refusal(client.auth.finishRedirect("http://"), "invalid_value");
    equal(sent, []);
  });

  claim("a history that changes with every answer, or has no name, is asked for twice at most", async () => {
    for (const [seq, tries] of [[(n) => `${n}a.1`, 2], [() => undefined, 1], [() => 7, 1]]) {
      const { sent, posts } = noting((_, { method }, n) => {
        if (method === "PUT") return Response.json({}, { headers: { "X-Bunbase-Seq": "f.1" } });
        return Response.json({ code: "not_yet", seq: seq(n) }, { status: 503 });
      });
      await posts.put("x", {});
      await refusal(posts.get("x"), "not_yet");
      equal(sent.length, 1 + tries);
    }
  });

  claim("the names __proto__ and constructor are names like others, and change no prototype", async () => {
    const text = '{"__proto__":{"polluted":9007199254740993},"constructor":{"prototype":{"polluted":1}}}';
    const bodies = [];
    const { posts } = noting((_, { body }) => (bodies.push(body), new Response(text, { headers: JSON_TYPE })));
    const found = await posts.get("x");
    await posts.put("x", found);
    const { client: tested } = createTestClient();
    const memory = tested.data.collection("a");
    await memory.put("x", { n: 1 });
    for (const change of [JSON.parse('{"__proto__":{"polluted":1}}'), { $set: { "__proto__.polluted": 1 } }, { $set: { "a.__proto__.polluted": 1 } }])
      await refusal(memory.patch("x", change), "invalid_update");
    await refusal(tested.functions.invoke("constructor"), "function_not_found");
    await memory.patch("x", { $set: { "constructor.prototype.polluted": 1, "m.toString.polluted": 1 }, $push: { "m.valueOf.polluted": 1 } });
    const changed = await memory.get("x");
    const { items } = await memory.query({ where: { "n.constructor.name": "Number" } });

    equal([bodies[1], {}.polluted, found.polluted, Object.toString.polluted, items], [text, undefined, undefined, undefined, []]);
    equal([changed.constructor, changed.m], [{ prototype: { polluted: 1 } }, { toString: { polluted: 1 }, valueOf: { polluted: [1] } }]);
  });

  claim("one check that is aborted does not end another, and a key that the engine cannot use refuses its tokens only", async () => {
    const keys = [{ kty: "OKP", crv: "Ed25519", kid: "k", x: "AA" }, { kty: "EC", crv: "P-256", kid: "k2", x: "", y: "" }];
    let answer;
    const fetch = () => new Promise((resolve) => (answer = () => resolve(Response.json({ keys }))));
    const verifier = createVerifier("http://bunbase.test", "prj_1", { fetch });
    const ending = new AbortController();
    const token = `${btoa('{"kid":"k"}')}.${btoa('{"aud":"prj_1","type":"user"}')}.AA`;
    const aborted = verifier.verify(token, { signal: ending.signal });
    const other = verifier.verify(token);
    ending.abort();
    await refusal(aborted, "aborted");
    answer();
    await refusal(other, "invalid_token");
  });

  claim("a link that this browser did not ask for leaves the anonymous user alone", async () => {
    const users = [{ ...EVE, anonymous: true }, FRED, { ...EVE, anonymous: true }, FRED];
    const bearers = [];
    const { client } = noting((url, { headers }) => {
      if (url.endsWith("/login/link")) bearers.push(headers.Authorization);
      return url.endsWith("/link") && !url.endsWith("/login/link") ? new Response(null, { status: 202 }) : Response.json(tokensOf(users.shift()));
    });
    await client.auth.signIn({ anonymous: true });
    await client.auth.finishRedirect("http://app.test/?token=of-a-stranger", { upgrade: undefined });
    await client.auth.signIn({ anonymous: true });
    await client.auth.sendLink("fred@example.com");
    await client.auth.finishRedirect("http://app.test/?token=own");
    equal(bearers, [undefined, `Bearer access of ${EVE.id}`]);
  });

  claim("no error has the password or a token", async () => {
    const secret = "correct horse battery";
    const answers = [() => Promise.reject(new TypeError("fetch failed")), () => new Response("<h1>no</h1>", { status: 502 }), () => Response.json({ code: "internal" }, { status: 500 }), () => Response.json({})];
    for (const answer of answers) {
      const { client } = noting(answer, { retries: 0 });
      const problems = [
        await client.auth.signIn({ email: "e", password: secret }).catch((error) => error),
        await client.auth.resetPassword(secret, secret).catch((error) => error),
        await client.auth.confirmSignUp(secret, secret).catch((error) => error),
        await client.auth.finishRedirect(`http://app.test/?token=${encodeURIComponent(secret)}`).catch((error) => error),
      ];
      for (const problem of problems) {
        // The server answers the reset with {}, so the reset causes no Problem.
        if (problem instanceof Error) equal(problem.name, "Problem");
        const shown = [problem?.stack, problem?.message, JSON.stringify(problem?.body ?? {}), problem?.cause?.stack].join("\n");
        equal([shown.includes(secret), shown.includes(encodeURIComponent(secret))], [false, false]);
      }
      equal(client.auth.user, null);
    }
  });
}

async function listening(answer) {
  const server = createServer((request, response) => (request.resume(), answer(request, response)));
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const close = () => (server.closeAllConnections(), server.close());
  return { url: `http://127.0.0.1:${server.address().port}`, close };
}
