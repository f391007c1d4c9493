/**
 * The user changes at a bad moment: while a cache or a storage is slow, while a request is on its way, or while a write
 * or a message waits. The claims also cover caches and storages with texts of another version or program. The server is
 * in memory.
 */

import { equal, refusal, until } from "./harness.mjs";
import { LiveServer } from "./live_server.mjs";

const URL_OF_SERVER = "http://bunbase.test";
const [EVE, FRED] = ["eve", "fred"].map((name) => ({ email: `${name}@example.com`, password: "apples and pears" }));

export async function add(claim, { load }) {
  const { createClient } = await load("index");
  const { createLive } = await load("live/index");
  const { createTestServer } = await load("testing/index");
  const restore = quick();

  /**
   * A server, a client with its live part, and the requests for documents as `<user> <method> <end of the path>`. With
   * `faults.dataDown`, the requests do not reach the server. `faults.before` may answer or delay every request.
   */
  function made(options, { server = new LiveServer(createTestServer()), storage = null } = {}) {
    const [sent, problems, faults] = [[], [], {}];
    const fetch = async (url, init) => {
      const { pathname } = new URL(url);
      const isData = /^\/v1\/(data|commit)/.test(pathname);
      if (isData && faults.dataDown) throw new TypeError("fetch failed");
      if (isData) sent.push(`${new Headers(init.headers).get("Authorization")?.slice(7) ?? "nobody"} ${init.method} ${pathname.split("/").pop()}`);
      return (await faults.before?.(pathname, init)) ?? server.fetch(url, init);
    };
    const client = createClient(URL_OF_SERVER, "pk_test", { storage, fetch, retries: 0, onProblem: ({ code }) => problems.push(code) });
    const live = createLive(client, { WebSocket: server.WebSocket, ...options });
    const posts = live.collection("posts");
    const see = (query = {}) => {
      const seen = [];
      posts.watch(query, ({ items }) => seen.push(`${client.auth.user?.id ?? "nobody"}: ${items.map(({ _id, n }) => `${_id}${n}`)}`));
      return seen;
    };
    return { server, client, live, posts, see, sent, problems, faults };
  }

  claim("a write that waits for a slow cache ends with its user, and is not sent for the next one", async () => {
    const [cache, gate] = [memoryCache(), gateOf()];
    cache.set = () => gate.passed;
    const { client, live, posts, sent } = made({ cache });
    await client.auth.signUp(EVE);
    const aborted = refusal(posts.put("secret", { n: 1 }), "aborted");
    await settled();
    await client.auth.signOut();
    await client.auth.signUp(FRED);
    gate.open();
    await aborted;
    await posts.put("mine", { n: 2 });
    equal(sent, ["usr_2 PUT mine"]);
    live.close();
  });

  claim("a write that a listener of onStuck makes while the user changes is sent for the new user", async () => {
    const { client, live, posts, sent, faults } = made();
    await client.auth.signUp(EVE);
    faults.before = (path) =>
      path.includes("stuck") ? Response.json({ status: 503, code: "database_busy" }, { status: 503, headers: { "Content-Type": "application/problem+json" } }) : undefined;
    const aborted = refusal(posts.put("stuck", { n: 1 }), "aborted");
    await until(() => live.stuck, "the word that the queue stands still");
    let later;
    live.onStuck((stuck) => !stuck && (later ??= posts.put("later", { n: 2 })));
    await client.auth.signUp(FRED);
    await aborted;
    await later;
    equal(sent.at(-1), "usr_2 PUT later");
    live.close();
  });

  claim("while a slow storage takes the next session, nothing of the user before is sent, shown or kept for the next one", async () => {
    const [storage, cache] = [place(), memoryCache()];
    const { server, client, live, posts, see, sent, faults } = made({ cache }, { storage });
    await client.auth.signUp(EVE);
    await server.commit([["posts", "put", "secret", { n: 1, owner: "usr_1" }]]);
    const seen = see();
    await until(() => seen.at(-1) === "usr_1: secret1", "her result");
    faults.dataDown = true;
    const aborted = [1, 2, 3].map((n) => refusal(posts.put(`waits${n}`, { n }), "aborted"));
    await until(() => seen.at(-1) === "usr_1: secret1,waits11,waits22,waits33", "her writes");

    const gate = (storage.gate = gateOf());
    const signingIn = client.auth.signUp(FRED);
    await until(() => client.auth.user.id === "usr_2", "the next user");
    faults.dataDown = false;
    server.cut();
    await settled(200);
    gate.open();
    await signingIn;
    await Promise.all(aborted);
    await posts.put("mine", { n: 2 });
    await until(() => seen.at(-1) === "usr_2: mine2", "his result");
    equal(sent, ["usr_2 PUT mine"]);
    equal(seen.filter((line) => line.startsWith("usr_2") && !/^usr_2: (mine2)?$/.test(line)), []);
    equal([...cache.texts].filter(([key, text]) => key.includes("usr_2") && /secret|waits/.test(text)), []);
    live.close();
  });

  claim("a kept result is shown to nobody else, however late the cache answers", async () => {
    for (const next of [FRED, undefined]) {
      const cache = memoryCache();
      const { server, client, live, see } = made({ cache });
      await client.auth.signUp(EVE);
      await server.commit([["posts", "put", "secret", { n: 1, owner: "usr_1" }], ["posts", "put", "all", { n: 2 }]]);
      const first = see();
      await until(() => first.length && cache.texts.size, "the kept result");
      live.close();

      const gate = gateOf();
      const [get, asked] = [cache.get, []];
      cache.get = async (key) => {
        asked.push(key);
        const text = await get(key);
        await gate.passed;
        return text;
      };
      const second = createLive(client, { cache, WebSocket: server.WebSocket });
      const seen = [];
      second.collection("posts").watch({}, ({ items }) => seen.push(items.map(({ _id }) => _id).join()));
      await until(() => asked.length, "the question to the cache");
      await client.auth.signOut();
      if (next) await client.auth.signUp(next);
      gate.open();
      await until(() => seen.length, "a result");
      await until(() => seen.at(-1) === "all", "the result of the next one");
      equal(seen.filter((line) => line.includes("secret")), []);
      equal(server.heard.filter(({ message }) => message.have?.includes("secret")), []);
      second.close();
    }
  });

  claim("texts of the cache that nobody can read change nothing", async () => {
    const at = '"at":"e1.1","group":"g1"';
    const write = '"key":"k1","collection":"posts","id":"x","conditions":{},"at":"2026-11-30T00:00:00Z","sent":false';
    const texts = ["{bad", "null", "[]", "5", '"x"', "{}", '{"docs":null}', `{"docs":5,${at}}`, `{"docs":[{}],${at}}`, `{"docs":[null],${at}}`];
    texts.push('{"docs":[{"_id":"x"}],"at":1,"group":"g1"}', '{"docs":[{"_id":"x"}],"at":"e1.1"}', `{"docs":[{"_id":"x"}],"n":"many",${at}}`);
    texts.push(`{${write}}`, `{"op":"drop",${write}}`, `{"op":"put","data":null,${write}}`, `{"op":"put","data":[1],${write}}`, {}, 5, null);
    for (const text of texts) {
      const cache = Object.assign(memoryCache(), { get: async () => text, list: async () => [text] });
      const { live, posts, see, sent } = made({ cache });
      const seen = see();
      await posts.put("a", { n: 1 });
      await until(() => seen.at(-1) === "nobody: a1", `a result beside ${text}`);
      equal([sent, live.waiting], [["nobody PUT a"], 0]);
      live.close();
    }
    const { live, posts } = made({ cache: Object.assign(memoryCache(), { list: async () => undefined }) });
    await posts.put("a", { n: 1 });
    live.close();
  });

  claim("a kept write of another user, or of another version, is not sent", async () => {
    const cache = memoryCache();
    const write = { key: "k1", op: "put", collection: "posts", id: "x", data: { n: 1 }, conditions: {}, at: "2026-11-30T00:00:00Z", sent: false };
    // This acts like an app's cache that ignores prefixes.
    cache.list = async () => [{ ...write, userId: "usr_7" }, write].map((one) => JSON.stringify(one));
    const { client, live, posts, sent } = made({ cache });
    await client.auth.signUp(EVE);
    await posts.put("mine", { n: 2 });
    equal(sent.filter((line) => line.startsWith("usr_1")), ["usr_1 PUT mine"]);
    live.close();
  });

  claim("a cache that never answers, or throws at once, delays results and writes by three seconds at most", async () => {
    const thrown = () => { throw new Error("no cache"); };
    for (const broken of [() => new Promise(() => {}), thrown]) {
      const cache = Object.fromEntries(["get", "set", "delete", "list", "trim"].map((name) => [name, broken]));
      const { live, posts, see, problems } = made({ cache });
      const seen = see();
      await posts.put("a", { n: 1 });
      await until(() => seen.at(-1) === "nobody: a1", "the result");
      equal(problems, ["storage_failed"]);
      live.close();
    }
  });

  claim("a write that ended with its user takes no effect later, also not from the cache", async () => {
    const cache = memoryCache();
    const { server, client, live, posts, faults } = made({ cache });
    await client.auth.signUp(EVE);
    await server.commit([["posts", "put", "a", { n: 1 }]]);
    faults.dataDown = true;
    const aborted = [posts.patch("a", { $inc: { n: 1 } }), posts.patch("a", { $inc: { n: 1 } })].map((write) => refusal(write, "aborted"));
    await until(() => writesIn(cache) === 2, "the kept writes");
    await client.auth.signOut();
    const [sent, unsent] = await Promise.all(aborted);
    equal([/not known/.test(sent.detail), /not known/.test(unsent.detail)], [true, false]);
    faults.dataDown = false;
    await client.auth.signIn(EVE);
    equal((await posts.patch("a", { $inc: { n: 1 } })).n, 2);
    await settled();
    equal([server.http.documents("posts")[0].n, writesIn(cache)], [2, 0]);
    live.close();
  });

  claim("a write that was on its way when its user signed out tells what has become of it", async () => {
    const cache = memoryCache();
    const { server, client, live, posts } = made({ cache });
    await client.auth.signUp(EVE);
    const gate = gateOf();
    server.faults.slowAnswers = gate.passed;
    const [flying, waiting] = [posts.create({ _id: "a", n: 1 }), refusal(posts.create({ _id: "b", n: 1 }), "aborted")];
    await until(() => server.http.documents("posts").length, "the commit");
    await client.auth.signOut();
    await waiting;
    gate.open();
    equal((await flying).n, 1);
    equal([server.http.documents("posts").length, writesIn(cache)], [1, 0]);
    live.close();
  });

  claim("the writes of a user whose session has expired wait for this user, and end with the next one", async () => {
    for (const next of [EVE, FRED]) {
      const cache = memoryCache();
      const { server, client, live, posts, see, faults, sent } = made({ cache });
      await client.auth.signUp(EVE);
      const seen = see();
      await until(() => seen.length, "her result");
      faults.before = (pathname) => {
        if (/refresh$/.test(pathname)) return Response.json({ code: "invalid_token", status: 401 }, { status: 401 });
        return /data/.test(pathname) ? Response.json({ code: "token_expired", status: 401 }, { status: 401 }) : undefined;
      };
      const write = posts.put("a", { n: 1 });
      const told = write.then(({ n }) => `stored ${n}`, ({ code }) => code);
      await until(() => client.auth.user === null, "the end of the session");
      faults.before = undefined;
      await until(() => seen.at(-1) === "nobody: ", "the result of nobody");
      equal([live.waiting, writesIn(cache)], [0, 1]);
      sent.length = 0;
      await (next === EVE ? client.auth.signIn(next) : client.auth.signUp(next));
      equal(await told, next === EVE ? "stored 1" : "aborted");
      await settled();
      equal([sent, writesIn(cache), server.http.documents("posts").length], next === EVE ? [["usr_1 PUT a"], 0, 1] : [[], 0, 0]);
      live.close();
    }
  });

  claim("a write that is made before the storage has told the user belongs to this user", async () => {
    const [storage, cache] = [place(), memoryCache()];
    const first = made({}, { storage });
    await first.client.auth.signUp(EVE);
    first.live.close();
    const gate = (storage.gate = gateOf());
    const { client, live, posts, sent } = made({ cache }, { storage, server: first.server });
    equal(client.auth.user, null);
    const write = posts.put("a", { n: 1 });
    await settled();
    equal(cache.texts.size, 0);
    gate.open();
    equal((await write).n, 1);
    equal([sent, writesIn(cache)], [["usr_1 PUT a"], 0]);
    live.close();
  });

  claim("a renewal that ends after a sign-out, or after another sign-in, changes nothing while the storage is slow", async () => {
    for (const next of [undefined, FRED]) {
      const storage = place();
      const { client, live, faults } = made({}, { storage });
      await client.auth.signUp(EVE);
      const renewal = gateOf();
      let refreshes = 0;
      faults.before = async (pathname) => {
        if (/refresh$/.test(pathname)) return void (refreshes++, await renewal.passed);
        return /data/.test(pathname) ? Response.json({ code: "token_expired", status: 401 }, { status: 401 }) : undefined;
      };
      const aborted = refusal(client.data.collection("posts").get("a"), "aborted");
      await until(() => refreshes, "the renewal");
      storage.gate = gateOf();
      const change = next ? client.auth.signUp(next) : client.auth.signOut();
      await until(() => client.auth.user?.id !== "usr_1", "the change");
      renewal.open();
      await settled();
      storage.gate.open();
      await change;
      await aborted;
      await settled();
      const wanted = next && "usr_2";
      equal([client.auth.user?.id, JSON.parse([...storage.texts.values()][0] ?? "null")?.user.id], [wanted, wanted]);
      live.close();
    }
  });

  claim("requests that belong together are of one user", async () => {
    const { server, client, live, sent } = made({});
    const posts = client.data.collection("posts");
    await client.auth.signUp(EVE);
    await client.auth.signUp(FRED);
    await server.commit(["a", "b"].map((id) => ["posts", "put", id, { n: 1 }]));
    const next = () => client.auth.signIn(client.auth.user.id === "usr_1" ? FRED : EVE);
    const steps = [
      () => posts.update("a", async () => (await next(), { n: 2 })),
      () => client.data.transaction(async (tx) => {
        const { n } = await tx.collection("posts").get("a");
        await next();
        tx.collection("posts").put("a", { n: n + 1 });
      }),
      async () => {
        for await (const { items } of posts.pages({ limit: 1 })) items.length && (await next());
      },
    ];
    const http = server.http.fetch;
    server.http.fetch = async (url, init) => {
      const answer = await http(url, init);
      return String(url).endsWith("/query") ? Response.json({ ...(await answer.json()), next: "more" }) : answer;
    };
    for (const step of steps) {
      sent.length = 0;
      await refusal(step(), "aborted");
      equal(new Set(sent.map((line) => line.split(" ")[0])).size, 1);
    }
    equal(server.http.documents("posts").map(({ n }) => n), [1, 1]);
    live.close();
  });

  claim("a presence is of the user who has set it, and is not sent in the name of the next one", async () => {
    const { server, client, live } = made();
    await client.auth.signUp(EVE);
    const seen = [];
    const other = made({}, { server });
    other.live.channel("rooms/7").join({ members: (members) => seen.push(members.map(({ uid, data }) => `${uid} ${data.name}`).join()) });
    await until(() => seen.length, "the one who looks on");
    const room = live.channel("rooms/7");
    room.join({}, { presence: { name: "Eve" } });
    await until(() => seen.at(-1) === "usr_1 Eve", "the first user");
    const joins = () => server.heard.filter(({ message }) => message.t === "join").length;
    await client.auth.signOut();
    await until(() => joins() === 3, "the join of nobody");
    await client.auth.signUp(FRED);
    await until(() => joins() === 4, "the join of the next user");
    await room.setPresence({ name: "Fred" });
    await until(() => seen.at(-1)?.includes("usr_2 Fred"), "the next user");
    await client.auth.signIn(EVE);
    await until(() => joins() === 5 && seen.at(-1)?.includes("usr_1"), "the first user again");
    equal(seen.filter((line) => /null|usr_2 Eve|usr_1 Fred/.test(line)), []);
    equal(server.heard.filter(({ message }) => message.t === "join").map(({ message }) => message.presence?.name ?? ""), ["", "Eve", "", "", ""]);
    live.close(), other.live.close();
  });

  claim("a stored session of another version or another program is none", async () => {
    const user = { id: "usr_1", email: "eve@example.com" };
    const good = { user, access: "usr_1", refresh: "usr_1", at: Date.now(), ttl: 900_000 };
    const texts = ["{bad", "5", '"x"', "[]", "null", "{}"];
    for (const wrong of [{ user: {} }, { user: "eve" }, { user: { id: 7 } }, { access: 5 }, { access: undefined }, { refresh: {} }])
      texts.push(JSON.stringify({ ...good, ...wrong }));
    for (const text of texts) {
      const { client, live } = made({}, { storage: { getItem: () => text, setItem() {}, removeItem() {} } });
      equal([text, client.auth.user, await client.auth.token()], [text, null, null]);
      live.close();
    }
    const { client, live } = made({}, { storage: { getItem: () => JSON.stringify({ ...good, at: "then", ttl: null }), setItem() {}, removeItem() {} } });
    // The pair was renewed.
    equal([client.auth.user.id, await client.auth.token().catch(({ code }) => code)], ["usr_1", "invalid_token"]);
    live.close();
  });

  claim("all clients have closed their connections", async () => restore());
}

function gateOf() {
  let open;
  const passed = new Promise((resolve) => (open = resolve));
  return { passed, open };
}

/** A storage whose promises wait at a gate. An answer has the state at the time of the call. */
function place() {
  const texts = new Map();
  const storage = {
    texts,
    async getItem(key) {
      const text = texts.get(key) ?? null;
      await storage.gate?.passed;
      return text;
    },
    async setItem(key, text) {
      await storage.gate?.passed;
      texts.set(key, text);
    },
    async removeItem(key) {
      await storage.gate?.passed;
      texts.delete(key);
    },
  };
  return storage;
}

function memoryCache() {
  const texts = new Map();
  return {
    texts,
    get: async (key) => texts.get(key),
    set: async (key, text) => void texts.set(key, text),
    delete: async (key) => void texts.delete(key),
    list: async (prefix) => [...texts.keys()].filter((key) => key.startsWith(prefix)).sort().map((key) => texts.get(key)),
    trim: async () => {},
  };
}

/** Returns the number of kept writes that the server has not confirmed. */
function writesIn({ texts }) {
  return [...texts].filter(([key, text]) => key.startsWith("write:") && !JSON.parse(text).mark).length;
}

function settled(ms = 40) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Makes pauses of the client twenty times shorter, but not the timeout for a storage. */
function quick() {
  const [timer, random] = [globalThis.setTimeout, Math.random];
  globalThis.setTimeout = (work, ms = 0, ...rest) => timer(work, ms >= 500 && ms < 50_000 && ms !== 2000 ? ms / 20 : ms, ...rest);
  Math.random = () => 0.5;
  return () => Object.assign(globalThis, { setTimeout: timer }) && void (Math.random = random);
}
