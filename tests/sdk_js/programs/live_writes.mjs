/**
 * Writes that the page shows at once, the queue that sends the writes, and the cache between visits. The server is in
 * memory.
 */

import { equal, refusal, until } from "./harness.mjs";
import { LiveServer } from "./live_server.mjs";

const URL_OF_SERVER = "http://bunbase.test";

export async function add(claim, { load }) {
  const { createClient } = await load("index");
  const { createLive } = await load("live/index");
  const { createTestServer } = await load("testing/index");

  function made(options = {}, { server = new LiveServer(createTestServer()), storage = null } = {}) {
    const client = createClient(URL_OF_SERVER, "pk_test", { storage, fetch: server.fetch, onProblem() {} });
    const refused = [];
    const live = createLive(client, { WebSocket: server.WebSocket, onRefused: (write, { code }) => refused.push(`${write.op} ${write.id} ${code}`), ...options });
    const posts = live.collection("posts");
    const see = (query) => {
      const seen = [];
      const stop = posts.watch(query, (result) => seen.push(`${result.items.map(({ _id, n }) => `${_id}${n ?? ""}`)}${result.pending ? "…" : ""}${result.count === undefined ? "" : `#${result.count}`}`));
      return { seen, stop, last: () => seen.at(-1) };
    };
    return { server, client, live, posts, refused, see };
  }

  async function held(query, documents, options, more) {
    const all = made(options, more);
    await all.server.commit(documents.map(([id, n]) => ["posts", "put", id, { n }]));
    const view = all.see(query);
    await until(() => view.seen.length && !view.last().startsWith("!"), "the first result");
    return { ...all, view };
  }

  const inOrder = { sort: ["n"] };

  claim("with a listener for refused writes, nobody has to wait for a write", async () => {
    const { live, posts, refused, see, server } = made();
    await server.commit([["posts", "put", "a", { n: 1 }]]);
    const { last } = see({});
    await until(() => last() === "a1", "the result");
    posts.patch("a", { n: 2 }, { ifRev: 99 }); // Without a listener for rejections, the process would end here.
    posts.patch("..", { n: 2 });
    await until(() => refused.length === 2, "both");
    equal([...refused].sort(), ["patch .. invalid_value", "patch a stale_revision"]);
    await until(() => last() === "a1", "the result of the server");
    live.close();
  });

  claim("create, put, patch and delete show before the server has answered", async () => {
    const { server, live, posts, view } = await held(inOrder, [["b", 2], ["d", 4]]);
    let answer;
    server.faults.slowAnswers = new Promise((resolve) => (answer = resolve));
    const writes = [posts.create({ _id: "c", n: 3 }), posts.put("a", { n: 1 }), posts.patch("d", { $inc: { n: 5 } }), posts.delete("b")];
    equal(view.seen.slice(1), ["b2,c3,d4…", "a1,b2,c3,d4…", "a1,b2,c3,d9…", "a1,c3,d9…"]);
    equal(live.waiting, 4);
    answer();
    await Promise.all(writes);
    await until(() => view.last() === "a1,c3,d9", "the server's result");
    equal([...new Set(view.seen.slice(4))], ["a1,c3,d9…", "a1,c3,d9"]);
    equal(live.waiting, 0);
    live.close();
  });

  claim("a filter, an order, a limit and a total hold for local writes", async () => {
    const { server, live, posts, see } = await held({}, [["a", 1], ["b", 2], ["c", 3]]);
    const view = see({ where: { n: { $gte: 2 } }, sort: ["-n"], limit: 2, count: true });
    await until(() => view.seen.length, "the result");
    equal(view.last(), "c3,b2#2");
    server.faults.down = true;
    void posts.create({ _id: "d", n: 9 }).catch(() => {});
    equal(view.last(), "d9,c3…#3");
    void posts.patch("c", { n: 0 }).catch(() => {});
    equal(view.last(), "d9,b2…#2");
    void posts.create({ _id: "e", n: 1 }).catch(() => {});
    equal(view.last(), "d9,b2…#2");
    live.close();
  });

  claim("an operator that needs the server waits for it, and so does a filter that only the server knows", async () => {
    const { server, live, posts, view, see } = await held(inOrder, [["a", 1]]);
    const words = see({ where: { title: { $regex: "^H" } } });
    await until(() => words.seen.length, "the result of the second query");
    let answer;
    server.faults.slowAnswers = new Promise((resolve) => (answer = resolve));
    const pushed = posts.patch("a", { $push: { tags: "x" } });
    const made = posts.create({ title: "Hello", n: 2 });
    equal(view.last().startsWith("a1,"), true);
    equal(words.last(), "…");
    answer();
    equal([(await pushed).tags, (await made).n], [["x"], 2]);
    live.close();
  });

  claim("an increment that the results have already is not counted twice", async () => {
    const { server, live, posts, view } = await held(inOrder, [["a", 1]]);
    let answer;
    server.faults.slowAnswers = new Promise((resolve) => (answer = resolve));
    const first = posts.patch("a", { $inc: { n: 1 } });
    await until(() => server.seq === 2, "the commit");
    await server.commit([["posts", "put", "z", { n: 9 }]]); // One barrier follows both writes.
    await until(() => view.last() === "a2,z9…", "the stranger's document");
    const second = posts.patch("a", { $inc: { n: 1 } });
    equal(view.last(), "a3,z9…");
    answer();
    await Promise.all([first, second]);
    await until(() => view.last() === "a3,z9", "the end");
    equal(view.seen.some((line) => /a[4-9]/.test(line)), false);
    live.close();
  });

  claim("a refused write is rolled back with its problem, and later writes of the document stay", async () => {
    const { server, live, posts, view, refused } = await held(inOrder, [["a", 1]]);
    const stale = posts.patch("a", { n: 5 }, { ifRev: 99 });
    const good = posts.patch("a", { title: "x" });
    equal(view.last(), "a5…");
    await refusal(stale, "stale_revision");
    equal((await good).title, "x");
    await until(() => view.last() === "a1", "the result");
    equal(refused, ["patch a stale_revision"]);
    await refusal(posts.create({ _id: "a", n: 1 }), "document_exists");
    await refusal(posts.put("b", { n: NaN }), "invalid_value");
    equal(view.last(), "a1");
    equal(server.http.documents("posts").length, 1);
    live.close();
  });

  claim("writes without a network wait in order, and take effect once after it", async () => {
    const { server, live, posts, view } = await held(inOrder, [["a", 1]]);
    server.faults.down = true;
    server.cut();
    await until(() => live.state === "offline", "offline");
    const writes = [posts.patch("a", { $inc: { n: 1 } }), posts.create({ _id: "b", n: 7 }), posts.patch("b", { $inc: { n: 1 } }), posts.delete("a")];
    equal(view.last(), "b8…");
    server.faults.down = false;
    server.faults.loseRequests = 1;
    server.faults.loseAnswers = 2;
    await Promise.all(writes);
    await until(() => view.last() === "b8", "the server's result");
    equal(server.http.documents("posts").map(({ _id, n }) => `${_id}${n}`), ["b8"]);
    live.close();
  });

  claim("a write settles when the results have reached it, and not before", async () => {
    const { server, live, posts, view } = await held(inOrder, [["a", 1]]);
    server.faults.noTail = true;
    await posts.patch("a", { n: 2 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    equal(view.last(), "a2"); // The write is answered, and the page still shows the local write.
    server.faults.noTail = false;
    await server.tell();
    await new Promise((resolve) => setTimeout(resolve, 50));
    equal([...new Set(view.seen)], ["a1", "a2…", "a2"]);
    live.close();
  });

  claim("a confirmed write stays shown while a new connection waits for its first result, also after a restore", async () => {
    for (const epoch of ["e1", "e2"]) {
      const { server, live, posts, view } = await held(inOrder, [["a", 1]]);
      server.faults.down = true;
      server.cut();
      await until(() => live.state === "offline", "offline");
      const write = posts.create({ _id: "b", n: 2 });
      let come;
      server.faults.slowResults = new Promise((resolve) => (come = resolve));
      Object.assign(server, { epoch });
      server.faults.down = false;
      await write;
      await until(() => server.heard.some(({ message }) => message.t === "sync"), "the question for the write");
      await until(() => live.state === "behind", "the connection");
      await new Promise((resolve) => setTimeout(resolve, 50)); // The write's own barrier comes before the result.
      equal(view.last(), "a1,b2");
      await server.commit([["posts", "put", "c", { n: 3 }]]);
      come();
      await until(() => view.last() === "a1,b2,c3" && live.state === "live", "the result");
      equal([...new Set(view.seen)], ["a1", "a1,b2…", "a1,b2", "a1,b2,c3"]);
      await posts.delete("b");
      await until(() => view.last() === "a1,c3", "the end of the local write");
      live.close();
    }
  });

  claim("a confirmed write stays shown after a result that is older than the write", async () => {
    const { server, live, posts, view } = await held(inOrder, [["a", 1]]);
    server.faults.noTail = true;
    const old = server.at;
    await posts.create({ _id: "b", n: 2 });
    for (const noResume of [false, true]) {
      const asked = server.heard.length;
      server.faults.noResume = noResume;
      server.cut();
      await until(() => server.heard.slice(asked).some(({ message }) => message.t === "sync"), "the next connection");
      await new Promise((resolve) => setTimeout(resolve, 20));
      server.say({ t: "at", at: old });
      await new Promise((resolve) => setTimeout(resolve, 20));
      equal(view.last(), "a1,b2");
    }
    server.faults.noTail = false;
    await server.tell();
    await until(() => live.state === "live", "the present result");
    await server.commit([["posts", "delete", "b"]]);
    await until(() => view.last() === "a1", "the end of the local write");
    equal([...new Set(view.seen)], ["a1", "a1,b2…", "a1,b2"]);
    live.close();
  });

  claim("a request that is answered ends the wait for the next attempt to connect", async () => {
    const { server, client, live, view } = await held(inOrder, [["a", 1]]);
    const [random, timeout] = [Math.random, globalThis.setTimeout];
    const pauses = [];
    Math.random = () => 1;
    // The pauses between attempts take no time, and the longest pause does not end by itself.
    globalThis.setTimeout = (call, ms, ...given) => {
      pauses.push(ms);
      const [short, longest] = [[1000, 2000, 4000, 8000].includes(ms), ms === 10_000];
      return timeout(call, short ? 0 : longest ? 1e9 : ms, ...given);
    };
    try {
      server.faults.down = true;
      server.cut();
      await until(() => pauses.includes(10_000), "the longest pause");
    } finally {
      Object.assign(globalThis, { setTimeout: timeout });
      Math.random = random;
    }
    server.faults.down = false;
    await server.commit([["posts", "put", "b", { n: 2 }]]);
    await client.data.collection("posts").count();
    await until(() => view.last() === "a1,b2" && live.state === "live", "the connection");
    live.close();
  });

  claim("the queue is bounded", async () => {
    const { server, live, posts } = made();
    server.faults.down = true;
    const waiting = Array.from({ length: 1000 }, (_, n) => posts.create({ n }).catch(({ code }) => code));
    await refusal(posts.create({ n: 1000 }), "queue_full");
    live.close();
    equal(new Set(await Promise.all(waiting)), new Set(["aborted"]));
  });

  claim("a large write counts by its size", async () => {
    const { server, live, posts } = made();
    server.faults.down = true;
    const large = { text: "x".repeat(1_500_000) };
    const waiting = [posts.create(large), posts.create(large)].map((write) => write.catch(({ code }) => code));
    await refusal(posts.create(large), "queue_full");
    live.close();
    equal(await Promise.all(waiting), ["aborted", "aborted"]);
  });

  claim("writes of a user are never sent for another one", async () => {
    const { server, client, live, posts } = made();
    await client.auth.signUp({ email: "eve@example.com", password: "apples and pears" });
    server.faults.loseRequests = 99;
    const write = posts.create({ _id: "secret", n: 1 });
    await until(() => server.faults.loseRequests < 99, "the first attempt");
    server.faults.loseRequests = 0;
    const rejected = refusal(write, "aborted");
    await client.auth.signUp({ email: "fred@example.com", password: "apples and pears" });
    await rejected;
    await posts.create({ _id: "mine", n: 2 });
    equal(server.http.documents("posts").map(({ _id }) => _id), ["mine"]);
    live.close();
  });

  claim("with a cache, waiting writes and results are there at the next visit, and are resumed", async () => {
    const cache = memoryCache();
    const first = await held(inOrder, [["a", 1], ["b", 2]], { cache });
    await until(() => [...cache.texts.keys()].some((key) => key.startsWith("result:")), "the kept result");
    first.server.faults.down = true;
    first.server.cut();
    await until(() => first.live.state === "offline", "offline");
    const lost = [first.posts.patch("a", { $inc: { n: 4 } }), first.posts.create({ _id: "c", n: 3 })];
    await until(() => [...cache.texts.keys()].filter((key) => key.startsWith("write:")).length === 2, "the kept writes");
    const aborted = lost.map((write) => refusal(write, "aborted"));
    first.live.close();
    await Promise.all(aborted);

    const { server } = first;
    const second = made({ cache }, { server });
    const view = second.see(inOrder);
    await until(() => view.last() === "b2,c3,a5…", "the result without a network");
    server.faults.down = false;
    await until(() => view.last() === "b2,c3,a5", "the writes have arrived");
    equal(server.http.documents("posts").map(({ _id, n }) => `${_id}${n}`).sort(), ["a5", "b2", "c3"]);
    await until(() => ![...cache.texts.keys()].some((key) => key.startsWith("write:")), "the end of the kept writes");
    const again = await until(() => server.heard.find(({ message }) => message.t === "watch" && message.have), "the watch of the second visit");
    equal(again.message.have, ["a", "b"]);
    second.live.close();
  });

  claim("a confirmed write is kept until a result contains it, so the next visit shows no older state", async () => {
    const cache = memoryCache();
    const kept = (kind) => [...cache.texts].filter(([key]) => key.startsWith(`${kind}:`)).map(([, text]) => JSON.parse(text));
    const first = await held(inOrder, [["a", 1], ["b", 2]], { cache });
    await until(() => kept("result").length, "the kept result");
    first.server.faults.noTail = true; // No result contains the writes before the page ends.
    await Promise.all([first.posts.patch("a", { $inc: { n: 4 } }), first.posts.delete("b"), first.posts.create({ _id: "c", n: 3 })]);
    await until(() => kept("write").filter(({ mark }) => mark).length === 3, "the marks of the kept writes");
    equal(first.live.waiting, 0);
    first.live.close();

    const { server } = first;
    Object.assign(server.faults, { down: true, noTail: false });
    const second = made({ cache }, { server });
    const view = second.see(inOrder);
    await until(() => view.last() === "c3,a5", "the result without a network");
    equal(second.live.waiting, 0);
    const seq = server.seq;
    server.faults.down = false;
    await server.tell();
    await until(() => second.live.state === "live", "the connection");
    await until(() => !kept("write").length, "the end of the kept writes");
    equal([server.seq, new Set(view.seen)], [seq, new Set(["a1,b2", "c3,a5"].filter((line) => view.seen.includes(line)))]);
    equal(kept("result").at(-1).docs.map(({ _id, n }) => `${_id}${n}`), ["c3", "a5"]);
    second.live.close();

    server.faults.down = true;
    const third = made({ cache }, { server });
    const last = third.see(inOrder);
    await until(() => last.seen.length, "the kept result");
    equal(last.seen[0], "c3,a5");
    third.live.close();
  });

  claim("a confirmed write that a kept result contains already is not counted twice at the next visit", async () => {
    const cache = memoryCache();
    const first = await held(inOrder, [["a", 1]], { cache });
    const other = first.see({ where: { n: { $gte: 5 } } });
    await until(() => other.seen.length && [...cache.texts.keys()].length === 2, "the kept results");
    const write = await first.posts.patch("a", { $inc: { n: 4 } });
    equal(write.n, 5);
    await until(() => ![...cache.texts.keys()].some((key) => key.startsWith("write:")), "the end of the kept write");
    // This acts as if the page had ended between the save of the first result and the save of the second one.
    const left = { key: "k", op: "patch", collection: "posts", id: "a", data: { $inc: { n: 4 } }, conditions: {}, at: new Date().toISOString(), sent: true, mark: first.server.at };
    first.live.close();
    const place = [...cache.texts.keys()][0].split(":").slice(2, -1).join(":").split(":{")[0];
    cache.texts.set(`write:1:${place}:k`, JSON.stringify(left));
    first.server.faults.down = true;
    const second = made({ cache }, { server: first.server });
    const view = second.see(inOrder);
    await until(() => view.seen.length, "the kept result");
    await new Promise((resolve) => setTimeout(resolve, 30));
    equal([...new Set(view.seen)], ["a5"]);
    second.live.close();
  });

  claim("without a watch of its collection, a confirmed write waits in the cache, and opens no connection", async () => {
    const cache = memoryCache();
    const { server, live, posts, see } = made({ cache });
    await posts.put("a", { n: 1 });
    await until(() => [...cache.texts.values()].some((text) => JSON.parse(text).mark), "the mark");
    equal([live.waiting, server.heard.length], [0, 0]);
    const view = see(inOrder);
    await until(() => view.last() === "a1" && ![...cache.texts.keys()].some((key) => key.startsWith("write:")), "the result, and the end of the kept write");
    live.close();
  });

  claim("a cache that fails changes nothing, and a user sees nothing that another one has left", async () => {
    const broken = new Proxy({}, { get: () => async () => Promise.reject(new Error("full")) });
    const { live, posts, view } = await held(inOrder, [["a", 1]], { cache: broken });
    await posts.create({ _id: "b", n: 2 });
    await until(() => view.last() === "a1,b2", "the result");
    live.close();

    const cache = memoryCache();
    const server = new LiveServer(createTestServer());
    const eve = made({ cache }, { server });
    await eve.client.auth.signUp({ email: "eve@example.com", password: "apples and pears" });
    await server.commit([["posts", "put", "secret", { n: 1, owner: "usr_1" }]]);
    const hers = eve.see(inOrder);
    await until(() => hers.last() === "secret1", "her result");
    await until(() => cache.texts.size, "the kept result");
    eve.live.close();
    const nobody = made({ cache }, { server });
    const view2 = nobody.see(inOrder);
    await until(() => view2.seen.length, "the result of nobody");
    equal(view2.seen, [""]);
    nobody.live.close();
  });

  claim("the last write wins on the screen as on the server, in a hundred random orders", async () => {
    const { server, live, posts, view } = await held(inOrder, [["a", 0]]);
    let seed = 1;
    const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
    const writes = [];
    for (let step = 0; step < 100; step++) {
      const id = "abc"[random(3)];
      const kind = random(5);
      if (kind === 0) writes.push(posts.put(id, { n: step }));
      else if (kind === 1) writes.push(posts.delete(id));
      else if (kind === 2) writes.push(posts.create({ _id: id, n: step }));
      else writes.push(posts.patch(id, { $inc: { n: 1 } }));
      writes.at(-1).catch(() => {});
      if (random(4) === 0) await server.commit([["posts", "put", "abc"[random(3)], { n: 1000 + step }]]);
      if (random(9) === 0) server.cut();
      if (random(3) === 0) await new Promise((resolve) => setTimeout(resolve, 3));
    }
    await Promise.allSettled(writes);
    const stored = () => server.http.documents("posts").map(({ _id, n }) => [n, `${_id}${n}`]).sort(([one, a], [other, b]) => one - other || (a < b ? -1 : 1)).map(([, text]) => text).join();
    await until(() => view.last() === stored(), "the same");
    equal(live.waiting, 0);
    live.close();
  });
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
