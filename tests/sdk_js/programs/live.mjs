/**
 * Live queries and channels of the client, against a server of the protocol in memory. The numbers in the names of
 * claims are those of complaints about other systems (tests/e2e/live/complaints.py).
 */

import { equal, refusal, until } from "./harness.mjs";
import { LiveServer } from "./live_server.mjs";

const URL_OF_SERVER = "http://bunbase.test";

export async function add(claim, { load }) {
  const { createClient } = await load("index");
  const { createLive, indexedDBCache } = await load("live/index");
  const { createTestServer } = await load("testing/index");
  const restore = quick();

  /** Returns a server, a client with its live part, and the results that `watch` has shown. */
  function made(options = {}, { signedIn, server = new LiveServer(createTestServer()) } = {}) {
    const client = createClient(URL_OF_SERVER, "pk_test", { storage: signedIn ?? null, fetch: server.fetch, retries: 0, onProblem: (problem) => server.problems.push?.(problem) });
    const live = createLive(client, { WebSocket: server.WebSocket, ...options });
    const states = [];
    live.onState((state) => states.push(state));
    const shown = [];
    const see = (collection, query) => {
      const seen = [];
      const stop = live.collection(collection).watch(query, (result) => {
        seen.push(result);
        shown.push([collection, result.items.map(({ _id }) => _id).join("")]);
      });
      return { seen, stop, last: () => seen.at(-1), ids: () => seen.at(-1)?.items.map(({ _id }) => _id).join("") };
    };
    return { server, client, live, states, shown, see, sent: (t) => server.heard.map(({ message }) => message).filter((message) => message.t === t) };
  }

  const inOrder = { sort: ["n"] };

  claim("a query shows its result, and each change with added, changed, removed and moved", async () => {
    const { server, live, see } = made();
    await server.commit([["posts", "put", "a", { n: 1 }], ["posts", "put", "b", { n: 2 }], ["posts", "put", "c", { n: 3 }], ["posts", "put", "e", { n: 5 }]]);
    const posts = see("posts", inOrder);
    await until(() => posts.ids() === "abce", "the first result");
    equal(names(posts.last()), { added: "abce", changed: "", removed: "", moved: "" });

    await server.commit([["posts", "put", "b", { n: 9 }], ["posts", "delete", "a"], ["posts", "put", "d", { n: 4 }]]);
    await until(() => posts.ids() === "cdeb", "the changes of one commit");
    equal(names(posts.last()), { added: "d", changed: "b", removed: "a", moved: "b" });
    equal(posts.seen.length, 2);
    equal(posts.seen[0].items[2] === posts.seen[1].items[0], true); // Document c is the same object in both results.
    live.close();
  });

  claim("a total is told, also if the documents stay as they were", async () => {
    const { server, live, see } = made();
    await server.commit([["posts", "put", "a", { n: 1 }]]);
    const posts = see("posts", { ...inOrder, limit: 1, count: true });
    await until(() => posts.last()?.count === 1, "the first total");
    await server.commit([["posts", "put", "b", { n: 2 }]]);
    await until(() => posts.last().count === 2, "the second total");
    equal(names(posts.last()), { added: "", changed: "", removed: "", moved: "" });
    live.close();
  });

  claim("16: a commit over three collections moves five queries at one barrier", async () => {
    const { server, live, see, shown } = made();
    const views = ["one", "two", "three"].map((name) => see(name, inOrder));
    views.push(see("one", { where: { n: 1 } }), see("two", { where: { n: 1 } }));
    await until(() => views.every(({ seen }) => seen.length === 1), "empty results");
    server.faults.noTail = true;
    await server.commit([["one", "put", "a", { n: 1 }], ["two", "put", "b", { n: 1 }], ["three", "put", "c", { n: 1 }]]);
    // The diffs of two collections have arrived, but no barrier, so nothing is shown.
    shown.length = 0;
    server.faults.noTail = false;
    await server.tell();
    await until(() => shown.length === 5, "all five");
    equal(views.map(({ ids }) => ids()).join(), "a,b,c,a,b");
    live.close();
  });

  claim("differences without a barrier are not shown", async () => {
    const { server, live, see } = made();
    const posts = see("posts", inOrder);
    await until(() => posts.seen.length === 1, "an empty result");
    const [session] = server.sessions;
    session.put({ t: "diff", g: "g1", turn: 1, put: [[0, { _id: "x", _rev: 1 }]] });
    await settled();
    equal(posts.seen.length, 1);
    session.put({ t: "ping", at: "e1.7" });
    await until(() => posts.ids() === "x", "the barrier of a ping");
    live.close();
  });

  claim("1: whatever is written while the connection is cut is seen once after it, and what stayed is not sent as new", async () => {
    const { server, live, see, states, sent } = made();
    await server.commit([["posts", "put", "a", { n: 1 }], ["posts", "put", "b", { n: 2 }]]);
    const posts = see("posts", inOrder);
    await until(() => posts.ids() === "ab", "the first result");
    server.cut();
    await server.commit([["posts", "delete", "a"], ["posts", "put", "c", { n: 3 }]]);
    await until(() => posts.ids() === "bc", "the result after the gap");
    equal(names(posts.last()), { added: "c", changed: "", removed: "a", moved: "" });
    equal(posts.seen.length, 2);
    const [, again] = sent("watch");
    equal([again.at, again.g, again.have], ["e1.1", "g1", ["a", "b"]]);
    equal(states.join(), "live,offline,behind,live");
    equal(sent("auth")[1].resume, "conn1");
    live.close();
  });

  claim("13: a lost connection is told, and the client comes back by itself when the server does", async () => {
    const { server, live, see, states } = made();
    const posts = see("posts", inOrder);
    await until(() => live.state === "live", "live");
    server.faults.down = true;
    server.cut();
    await until(() => live.state === "offline", "offline");
    await server.commit([["posts", "put", "a", { n: 1 }]]);
    equal(posts.ids(), "");
    server.faults.down = false;
    await until(() => live.state === "live", "live again");
    equal(posts.ids(), "a");
    equal(states[0], "live");
    live.close();
    equal(live.state, "offline");
  });

  claim("a lost difference is noticed, and mended by itself", async () => {
    const { server, live, see, sent } = made();
    const posts = see("posts", inOrder);
    await until(() => posts.seen.length === 1, "an empty result");
    server.faults.loseDiffs = 1;
    await server.commit([["posts", "put", "a", { n: 1 }]]);
    await server.commit([["posts", "put", "b", { n: 2 }]]);
    await until(() => posts.ids() === "ab", "both documents");
    equal(sent("watch").length, 2);
    equal(sent("watch")[1].g, "g1");
    await server.commit([["posts", "put", "c", { n: 3 }]]);
    await until(() => posts.ids() === "abc", "what follows");
    live.close();
  });

  claim("14: a repeated difference is dropped", async () => {
    const { server, live, see } = made();
    const posts = see("posts", inOrder);
    await until(() => posts.seen.length === 1, "an empty result");
    const diff = { t: "diff", g: "g1", turn: 1, put: [[0, { _id: "a", _rev: 1 }]] };
    for (const message of [diff, diff, { t: "at", at: "e1.1" }, diff, { t: "at", at: "e1.2" }]) server.say(message);
    await until(() => posts.ids() === "a", "the document");
    await settled();
    equal(posts.seen.length, 2);
    live.close();
  });

  claim("14: the same query twice is one watch on the wire, and ends with its last listener", async () => {
    const { server, live, see, sent } = made();
    await server.commit([["posts", "put", "a", { n: 1 }]]);
    const [one, other] = [see("posts", inOrder), see("posts", { sort: ["n"] })];
    await until(() => one.ids() === "a" && other.ids() === "a", "both");
    const late = see("posts", inOrder);
    await until(() => late.ids() === "a", "a late listener gets the present result");
    equal(names(late.last()).added, "a");
    equal(sent("watch").length, 1);
    one.stop(), late.stop();
    await server.commit([["posts", "put", "b", { n: 2 }]]);
    await until(() => other.ids() === "ab", "the other goes on");
    equal(one.ids(), "a");
    other.stop();
    await until(() => sent("unwatch").length === 1, "the end on the wire");
    await until(() => server.sessions.size === 0, "the connection ends when nobody needs it");
    live.close();
  });

  claim("a wrong check brings the whole result again, and a true one nothing", async () => {
    const { server, live, see, sent } = made();
    await server.commit([["posts", "put", "a", { n: 1 }], ["posts", "put", "é", { n: 2 }]]);
    const posts = see("posts", inOrder);
    await until(() => posts.ids() === "aé", "the first result");
    server.check(crc);
    await settled();
    equal(sent("watch").length, 1);
    server.check(crc, true);
    await until(() => sent("watch").length === 2, "another watch");
    equal(sent("watch")[1].have, undefined);
    equal(posts.ids(), "aé");
    await server.commit([["posts", "put", "c", { n: 3 }]]);
    await until(() => posts.ids() === "aéc", "what follows");
    live.close();
  });

  claim("31: a refused query ends alone, with its problem, and is tried again for another user", async () => {
    const { server, client, live, see } = made();
    server.problems.secrets = { code: "rule_denied", status: 403, title: "No", detail: "Sign in first." };
    const [secrets, posts] = [see("secrets", {}), see("posts", {})];
    await until(() => secrets.last()?.problem && posts.seen.length, "the refusal and the result");
    equal([secrets.last().problem.code, secrets.last().items.length], ["rule_denied", 0]);
    delete server.problems.secrets;
    await client.auth.signUp({ email: "eve@example.com", password: "apples and pears" });
    await until(() => secrets.last().problem === undefined && !secrets.last().loading, "the result for the new user");
    live.close();
  });

  claim("a problem that passes is tried again", async () => {
    const { server, live, see } = made();
    server.problems.posts = { code: "unreachable", status: 503, title: "Later" };
    const posts = see("posts", {});
    await until(() => posts.last()?.problem, "the problem");
    delete server.problems.posts;
    await until(() => posts.last().problem === undefined, "the result");
    live.close();
  });

  claim("8: a token is renewed within the connection, with the newest one", async () => {
    const { server, client, live, see, sent } = made();
    await client.auth.signUp({ email: "eve@example.com", password: "apples and pears" });
    let renewed = 0;
    const http = server.http.fetch;
    server.http.fetch = async (url, init) => {
      if (!String(url.url ?? url).endsWith("/refresh")) return http(url, init);
      const answer = await (await http(url, init)).json();
      return Response.json({ ...answer, access_token: `${answer.access_token}#${++renewed}` });
    };
    server.userOf = (token) => token?.split("#")[0];
    const posts = see("posts", inOrder);
    await until(() => posts.seen.length === 1, "a result");
    for (let time = 1; time <= 5; time++) {
      server.say({ t: "auth", why: "expires", in: 60 });
      await until(() => sent("auth").length === 1 + time, "the renewed token");
    }
    equal(sent("auth").at(-1).token, "usr_1#5");
    await server.commit([["posts", "put", "a", { n: 1 }]]);
    await until(() => posts.ids() === "a", "the connection goes on");
    equal(new Set(server.heard.map(({ conn }) => conn ?? "conn1")).size, 1);
    live.close();
  });

  claim("8: a refused token is replaced before the next connection", async () => {
    const { server, client, live, see, sent } = made();
    await client.auth.signUp({ email: "eve@example.com", password: "apples and pears" });
    const http = server.http.fetch;
    server.http.fetch = async (url, init) => {
      const answer = await http(url, init);
      return String(url.url ?? url).endsWith("/refresh") ? Response.json({ ...(await answer.json()), access_token: "usr_1#new" }) : answer;
    };
    server.userOf = (token) => token?.split("#")[0];
    const posts = see("posts", inOrder);
    await until(() => posts.seen.length === 1, "a result");
    server.refused = (token) => token === "usr_1";
    server.cut(4401);
    await until(() => live.state === "live" && sent("auth").length === 2, "live again");
    equal(sent("auth").map(({ token }) => token), ["usr_1", "usr_1#new"]);
    live.close();
  });

  claim("9: another user gets nothing of the user before", async () => {
    const { server, client, live, see, shown } = made();
    await client.auth.signUp({ email: "eve@example.com", password: "apples and pears" });
    await server.commit([["posts", "put", "a", { n: 1 }], ["posts", "put", "e", { n: 2, owner: "usr_1" }], ["posts", "put", "f", { n: 3, owner: "usr_2" }]]);
    const posts = see("posts", inOrder);
    await until(() => posts.ids() === "ae", "the result of the first user");
    await client.auth.signOut();
    await until(() => posts.ids() === "a", "the result of nobody");
    equal(shown.map(([, ids]) => ids).join(), "ae,,a"); // The result was empty in between, at once.
    await client.auth.signUp({ email: "fred@example.com", password: "apples and pears" });
    await until(() => posts.ids() === "af", "the result of the second user");
    equal(posts.seen.filter(({ items }) => items.some(({ owner }) => owner === "usr_1")).length, 1);
    live.close();
  });

  claim("24: without sockets the messages come in a stream of events, and the state is the same", async () => {
    const { server, live, see } = made();
    server.faults.socketsBlocked = true;
    await server.commit([["posts", "put", "a", { n: 1 }]]);
    const posts = see("posts", inOrder);
    await until(() => posts.ids() === "a", "the result");
    equal([...server.sessions][0].by, "sse");
    await server.commit([["posts", "put", "b", { n: 2 }]]);
    await until(() => posts.ids() === "ab", "the change");
    server.say({ t: "ping", at: server.at });
    await until(() => server.heard.some(({ message }) => message.t === "pong"), "the answer to a ping");
    live.close();
  });

  claim("24: behind a proxy that holds streams back, the client polls, and stays with it after a cut", async () => {
    const { server, live, see } = made();
    Object.assign(server.faults, { socketsBlocked: true, streamsHeld: true });
    await server.commit([["posts", "put", "a", { n: 1 }]]);
    const posts = see("posts", inOrder);
    await until(() => posts.ids() === "a", "the result");
    equal([...server.sessions][0].by, "poll");
    await server.commit([["posts", "put", "b", { n: 2 }]]);
    await until(() => posts.ids() === "ab", "the change");
    server.cut();
    await server.commit([["posts", "delete", "a"]]);
    await until(() => posts.ids() === "b", "the change after the cut");
    equal([...server.sessions][0].by, "poll");
    live.close();
  });

  claim("24: a server that answers a socket with nothing is asked in another way after five seconds", async () => {
    const { server, live, see } = made();
    server.faults.mute = true;
    const posts = see("posts", inOrder);
    await until(() => server.heard.length === 1, "the socket");
    server.faults.mute = false;
    await until(() => posts.seen.length === 1, "the result");
    equal([...server.sessions].at(-1).by, "sse");
    live.close();
  });

  claim("12: a silent connection is noticed after 45 seconds, and a probe shows it in three", async () => {
    const { server, live, see } = made();
    const posts = see("posts", inOrder);
    await until(() => live.state === "live", "live");
    const now = Date.now;
    let ahead = 0;
    Date.now = () => now() + ahead;
    const connectedAgain = () => {
      ahead += 46_000; // The clock moves again each time, because a message may have been on its way.
      return server.heard.filter(({ message }) => message.t === "auth").length > 1;
    };
    try {
      await until(connectedAgain, "another connection");
    } finally {
      Date.now = now;
    }
    await server.commit([["posts", "put", "a", { n: 1 }]]);
    await until(() => posts.ids() === "a", "the change");
    live.close();
  });

  claim("21: a ping is answered at once, while all timers stand still", async () => {
    const { server, live, see } = made();
    see("posts", inOrder);
    await until(() => live.state === "live", "live");
    const [session] = server.sessions;
    const timer = globalThis.setTimeout;
    let pongs = 0;
    server.hear = (_, { t }) => void (pongs += t === "pong");
    // The fake socket needs its own timers, so only pauses take no time.
    globalThis.setTimeout = (work, ms, ...rest) => (ms ? 0 : timer(work, ms, ...rest));
    session.put({ t: "ping", at: "e1.0" });
    await new Promise((resolve) => timer(resolve, 50));
    globalThis.setTimeout = timer;
    equal(pongs, 1);
    live.close();
  });

  claim("a server that restarts says when to come back, and a fault of the client waits for half a minute", async () => {
    const { server, live, see, sent } = made();
    see("posts", inOrder);
    await until(() => live.state === "live", "live");
    server.say({ t: "bye", code: "restart", after_ms: 400 });
    await settled();
    const at = performance.now();
    server.cut(1012);
    await until(() => sent("auth").length === 2, "the next connection");
    equal(performance.now() - at > 300, true);
    await until(() => live.state === "live", "live again");
    server.cut(1008);
    await settled(300);
    equal(sent("auth").length, 2);
    live.close();
  });

  claim("a wait that is longer than a timer can be does not end at once", async () => {
    const { server, live, see, sent } = made();
    see("posts", inOrder);
    await until(() => live.state === "live", "live");
    server.say({ t: "bye", code: "quota", after_ms: 2 ** 31 + 1 });
    await settled();
    server.cut(4429);
    await settled(300);
    equal(sent("auth").length, 1);
    live.close();
  });

  claim("30: queries that begin and end while there is no connection leave nothing behind", async () => {
    const { server, live, see, sent } = made();
    server.faults.down = true;
    const [one, other] = [see("posts", inOrder), see("notes", inOrder)];
    one.stop();
    await settled(150);
    const third = see("posts", { where: { n: 1 } });
    server.faults.down = false;
    await until(() => other.seen.length === 1 && third.seen.length === 1, "the results");
    equal(sent("watch").map(({ query }) => query.collection).sort(), ["notes", "posts"]);
    live.close();
  });

  claim("a hundred queries and a hundred channels begin without a burst that the server would refuse", async () => {
    const { server, live } = made();
    let results = 0;
    for (let n = 0; n < 100; n++) {
      live.collection("posts").watch({ where: { n } }, () => results++);
      live.channel(`rooms/${n}`).join({ members: () => results++ });
    }
    await until(() => server.heard.length >= 80, "the first messages");
    equal(server.heard.length <= 100, true);
    await until(() => results >= 200, "all");
    live.close();
  });

  claim("a document is followed under its own name, and null while it is missing", async () => {
    const { server, live } = made();
    const seen = [];
    live.collection("posts").watchOne("a", ({ document }) => seen.push(document?.n ?? null));
    await until(() => seen.length === 1, "the first");
    await server.commit([["posts", "put", "a", { n: 1 }]]);
    await server.commit([["posts", "delete", "a"]]);
    await until(() => seen.length === 3, "all");
    equal(seen, [null, 1, null]);
    live.close();
  });

  claim("without WebSocket, a stream of events is used, and a client without a transport is refused", async () => {
    const { WebSocket } = globalThis;
    delete globalThis.WebSocket;
    const { server, live, see } = made({ WebSocket: undefined });
    const posts = see("posts", inOrder);
    await until(() => posts.seen.length, "the result");
    equal([...server.sessions].map(({ by }) => by).join(), "sse");
    live.close();
    let code;
    try {
      made({ WebSocket: undefined, transports: ["socket"] });
    } catch (problem) {
      ({ code } = problem);
    }
    equal(code, "invalid_value");
    globalThis.WebSocket = WebSocket;
  });

  claim("an aborted signal ends a watch, values that cannot be sent are refused, and errors of callbacks stop nothing", async () => {
    const { server, live, see, sent } = made();
    const error = console.error;
    console.error = () => {};
    const ending = new AbortController();
    let calls = 0;
    live.collection("posts").watch(inOrder, () => { calls++; throw new Error("boom"); }, { signal: ending.signal });
    live.collection("posts").watch(inOrder, async () => { throw new Error("boom"); });
    const good = see("posts", inOrder);
    await until(() => good.seen.length === 1, "the result");
    ending.abort();
    await server.commit([["posts", "put", "a", { n: 1 }]]);
    await until(() => good.ids() === "a", "the change");
    console.error = error;
    equal(calls, 1);
    for (const wrong of [{ where: { n: undefined } }, { where: { n: NaN } }, { where: { text: "x".repeat(70_000) } }])
      await refusal((async () => live.collection("posts").watch(wrong, () => {}))(), "invalid_value");
    await refusal((async () => live.collection("..").watch({}, () => {}))(), "invalid_value");
    equal(sent("watch").length, 1);
    live.close();
    await refusal((async () => live.collection("posts").watch({}, () => {}))(), "aborted");
  });

  claim("integers beyond 2^53 stay exact in results and filters", async () => {
    const { server, live, sent } = made();
    const seen = [];
    live.collection("posts").watch({ where: { big: { $gt: 9007199254740993n } } }, ({ items }) => seen.push(items[0]?.big));
    await until(() => seen.length === 1, "an empty result");
    const [session] = server.sessions;
    session.send('{"t":"diff","g":"g1","turn":1,"put":[[0,{"_id":"a","_rev":1,"big":9223372036854775807}]]}');
    session.send('{"t":"at","at":"e1.1"}');
    await until(() => seen.length === 2, "the document");
    equal(seen[1], 9223372036854775807n);
    equal(sent("watch").length, 1);
    live.close();
  });

  claim("a channel brings messages in order and once, also after a gap, and tells what is lost", async () => {
    const { server, live } = made();
    const [heard, lost] = [[], []];
    const room = live.channel("rooms/7");
    const leave = room.join({ message: ({ data }) => heard.push(data), lost: () => lost.push(heard.length) });
    await until(() => server.heard.some(({ message }) => message.t === "join"), "the join");
    equal(await room.publish(1), 1);
    await room.publish(2, { echo: false });
    server.faults.loseMessages = 1;
    await room.publish(3);
    await room.publish(4); // Message 4 follows a gap, so the client joins again and gets message 3.
    await until(() => heard.join() === "1,3,4", "what was lost");
    server.cut();
    await room.publish(5);
    await until(() => heard.join() === "1,3,4,5", "after a cut");
    equal(lost.length, 0);
    server.faults.down = true;
    server.cut();
    server.publishAndForget("rooms/7");
    server.faults.down = false;
    await until(() => lost.length === 1, "the word lost");
    leave();
    live.close();
  });

  claim("a message whose acknowledgement is lost is published once", async () => {
    const { server, live } = made();
    const heard = [];
    let joined = 0;
    live.channel("rooms/7").join({ message: ({ data }) => heard.push(data), members: () => joined++ });
    await until(() => joined, "the join");
    server.faults.loseAcks = 1;
    equal(await live.channel("rooms/7").publish("once"), 1);
    await until(() => heard.length, "the message");
    await settled();
    equal(heard, ["once"]);
    live.close();
  });

  claim("27: presence tells who enters, who changes and who leaves", async () => {
    const { server, live } = made();
    const other = made({}, { server });
    const seen = [];
    live.channel("rooms/7").join({ members: (members, n) => seen.push(`${n}:${members.map(({ data }) => data.name)}`) }, { presence: { name: "Ada" } });
    await until(() => seen.length === 1, "Ada alone");
    const room = other.live.channel("rooms/7");
    const leave = room.join({}, { presence: { name: "Eve" } });
    await until(() => seen.at(-1) === "2:Ada,Eve", "Eve");
    await room.setPresence({ name: "Eve!" });
    await until(() => seen.at(-1) === "2:Ada,Eve!", "the update");
    leave();
    await until(() => seen.at(-1) === "1:Ada", "the end");
    equal(seen.length, 4);
    await refusal(room.setPresence({}), "invalid_value");
    live.close(), other.live.close();
  });

  claim("above 500 members only their number is known, and below it the whole list again", async () => {
    const { server, live } = made();
    const seen = [];
    live.channel("rooms/7").join({ members: (members, n) => seen.push(`${n}:${members.map(({ data }) => data)}`) });
    const member = (name) => ({ m: name, uid: null, data: name });
    await until(() => seen.length === 1, "the join");
    server.say({ t: "members", c: "c1", enter: [member("a"), member("b")], n: 2 });
    server.say({ t: "members", c: "c1", n: 501 });
    server.say({ t: "members", c: "c1", n: 502 });
    server.say({ t: "members", c: "c1", members: [member("b"), member("c")], n: 2 });
    server.say({ t: "members", c: "c1", update: [member("b")], n: 2 });
    server.say({ t: "members", c: "c1", leave: ["b"], n: 1 });
    await until(() => seen.at(-1) === "1:c", "the end");
    equal(seen, ["0:", "2:a,b", "501:", "502:", "2:b,c", "1:c"]);
    live.close();
  });

  claim("after close, everything fails at once, and nothing is sent", async () => {
    const { server, live, see } = made();
    const [posts, room] = [live.collection("posts"), live.channel("rooms/7")];
    const { seen } = see("posts", {});
    room.join({}, { presence: 1 });
    await until(() => seen.length, "the result");
    live.close();
    await settled();
    const [heard, seq] = [server.heard.length, server.seq];
    const calls = [
      () => posts.create({ n: 1 }),
      () => posts.put("a", { n: 1 }),
      () => posts.patch("a", { n: 1 }),
      () => posts.delete("a"),
      () => posts.watch({}, () => {}),
      () => posts.watchOne("a", () => {}),
      () => room.join({}),
      () => room.publish(1),
      () => room.setPresence(2),
      () => live.channel("rooms/8").join({}),
    ];
    for (const call of calls) equal((await refusal((async () => call())(), "aborted")).message.includes("closed"), true);
    live.close();
    await settled();
    equal([server.heard.length, server.seq, server.http.documents("posts").length], [heard, seq, 0]);
  });

  claim("the header that explains is sent with the sign-in of each connection", async () => {
    for (const transports of [["socket"], ["sse"], ["poll"]]) {
      const server = new LiveServer(createTestServer());
      const asked = [];
      const fetch = (url, init) => (asked.push(new Headers(init.headers).get("x-bunbase-explain")), server.fetch(url, init));
      const client = createClient(URL_OF_SERVER, "pk_test", { storage: null, fetch, headers: { "x-bunbase-EXPLAIN": "true" } });
      const live = createLive(client, { WebSocket: server.WebSocket, transports });
      let seen = 0;
      live.collection("posts").watch({}, () => seen++);
      await until(() => seen, "the result");
      const [{ message }] = server.heard;
      equal(transports[0] === "socket" ? message.explain : asked[0], "true");
      await live.collection("posts").put("a", { n: 1 }); // A local write sends a request.
      equal([...new Set(asked)], ["true"]);
      live.close();
    }
  });

  claim("a presence that is set while the join is on its way is seen by others", async () => {
    const { server, live, see } = made();
    const seen = [];
    const other = made({}, { server });
    other.live.channel("rooms/7").join({ members: (members) => seen.push(members.map(({ data }) => data.name).join()) });
    const posts = see("posts", inOrder);
    await until(() => posts.seen.length && seen.length, "both connections");
    live.channel("rooms/7").join({}, { presence: { name: "Ada" } });
    await live.channel("rooms/7").setPresence({ name: "Ada!" });
    await until(() => seen.at(-1) === "Ada!", "the newer value");
    live.close(), other.live.close();
  });

  claim("a refused channel tells its problem, and messages that nobody acknowledges have a deadline", async () => {
    const { server, live } = made();
    server.problems["rooms/8"] = { code: "rule_denied", status: 403, title: "No" };
    const problems = [];
    live.channel("rooms/8").join({ problem: ({ code }) => problems.push(code) });
    await until(() => problems.length, "the problem");
    server.faults.mute = true;
    await refusal(live.channel("rooms/7").publish(1, { timeoutMs: 600 }), "timeout");
    await refusal(live.channel("rooms/7").publish("x".repeat(70_000)), "invalid_value");
    const waiting = live.channel("rooms/7").publish(1);
    live.close();
    await refusal(waiting, "aborted");
  });

  claim("a channel that was refused can be joined again, with and without leaving it first", async () => {
    const { server, live } = made();
    const denied = { code: "rule_denied", status: 403, title: "No" };
    server.problems["rooms/8"] = denied;
    const heard = [];
    const room = live.channel("rooms/8");
    const listener = (name) => ({ members: (_, n) => heard.push(`${name} ${n}`), problem: ({ code }) => heard.push(`${name} ${code}`) });
    const leave = room.join(listener("a"), { presence: "Ada" });
    await until(() => heard.length === 1, "the refusal");
    room.join(listener("b"));
    await until(() => heard.length === 3, "the second refusal"); // Both listeners get the change.
    delete server.problems["rooms/8"];
    room.join(listener("c"));
    await until(() => heard.includes("c 1"), "the join without leaving");
    equal(heard.slice(0, 3), ["a rule_denied", "a rule_denied", "b rule_denied"]);
    equal([heard.includes("a 1"), heard.includes("b 1")], [true, true]);
    leave();
    live.close();
  });

  claim("what a call would ignore is refused, with its name", async () => {
    const { live } = made();
    const [posts, room] = [live.collection("posts"), live.channel("rooms/7")];
    const calls = [
      ["mesage", () => room.join({ mesage: () => {} })],
      ["listener", () => room.join(() => {})],
      ["listener", () => room.join()],
      ["message", () => room.join({ message: "Hello" })],
      ["presense", () => room.join({}, { presense: 1 })],
      ["ecko", () => room.publish(1, { ecko: false })],
      ["query", () => posts.watch(() => {})],
      ["on", () => posts.watch({})],
      ["sgnal", () => posts.watch({}, () => {}, { sgnal: 1 })],
      ["on", () => posts.watchOne("a")],
      ["sgnal", () => posts.watchOne("a", () => {}, { sgnal: 1 })],
      ["listener", () => live.onState()],
      ["chache", () => createLive({ data: live }, { chache: 1 })],
      ["ifRev", () => posts.create({ n: 1 }, { ifRev: 1 })],
      ["headers", () => posts.create({ n: 1 }, { headers: {} })],
      ["headers", () => posts.put("a", { n: 1 }, { headers: {} })],
    ];
    for (const [path, call] of calls) equal((await refusal((async () => call())(), "invalid_value")).errors[0].path, path);
    room.join({ message: undefined });
    live.close();
  });

  claim("31: a text that was cut within an emoji is refused with its path, and the rest goes on", async () => {
    const { server, live, see, sent } = made();
    const good = see("posts", inOrder);
    await until(() => good.seen.length === 1, "the result");
    const room = live.channel("rooms/7");
    room.join({});
    await until(() => sent("join").length, "the join");
    const half = "cut 😀".slice(0, 5);
    const posts = live.collection("posts");
    const calls = {
      "/text": () => room.publish({ text: half }),
      "/a~1b": () => room.setPresence({ "a/b": half }),
      "": () => live.channel("rooms/8").join({}, { presence: half }),
      channel: () => live.channel(half),
      "/where/n": () => posts.watch({ where: { n: half } }, () => {}),
      "/sort/0": () => posts.watch({ sort: [half] }, () => {}),
      "/where": () => posts.watch({ where: { [half]: 1 } }, () => {}),
      "/deep/0": () => posts.create({ deep: [half] }),
    };
    for (const [path, call] of Object.entries(calls))
      equal((await refusal((async () => call())(), "invalid_value")).errors[0].path, path);
    equal(await room.publish({ text: "whole 😀" }), 1);
    await server.commit([["posts", "put", "a", { n: 1 }]]);
    await until(() => good.ids() === "a", "the rest");
    equal([sent("auth").length, sent("watch").length, sent("join").length], [1, 1, 1]);
    live.close();
  });

  claim("IndexedDB that was blocked, or closed by the browser, is opened again", async () => {
    const before = Object.getOwnPropertyDescriptor(globalThis, "indexedDB");
    const opened = [];
    const database = {
      transaction() {
        const transaction = { objectStore: () => ({ get: () => ({ result: { text: "kept" } }) }) };
        queueMicrotask(() => transaction.oncomplete());
        return transaction;
      },
    };
    const open = () => {
      const request = opened.length ? { result: database } : { error: null };
      opened.push(request);
      queueMicrotask(() => (request.result ? request.onsuccess() : request.onblocked()));
      return request;
    };
    Object.defineProperty(globalThis, "indexedDB", { value: { open }, configurable: true });
    const cache = indexedDBCache();
    equal(await cache.get("a").catch(({ message }) => message), "IndexedDB is blocked.");
    equal(await cache.get("a"), "kept");
    database.onclose();
    equal([await cache.get("a"), await cache.get("a"), opened.length], ["kept", "kept", 3]);
    if (before) Object.defineProperty(globalThis, "indexedDB", before);
    else delete globalThis.indexedDB;
  });

  claim("all clients have closed their connections", async () => restore());
}

function names(result) {
  return Object.fromEntries(["added", "changed", "removed", "moved"].map((name) => [name, result[name].map(({ _id }) => _id).join("")]));
}

/** Returns the digest of the protocol, with a different algorithm than in the client. */
function crc(docs) {
  const table = Array.from({ length: 256 }, (_, byte) => {
    for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
    return byte >>> 0;
  });
  const lines = new TextEncoder().encode(docs.map(({ _id, _rev }) => `${_id} ${_rev}\n`).join(""));
  const found = lines.reduce((sum, byte) => table[(sum ^ byte) & 255] ^ (sum >>> 8), 0xffffffff);
  return ((found ^ 0xffffffff) >>> 0).toString(16).padStart(8, "0");
}

function settled(ms = 40) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Makes long pauses of the client twenty times shorter, and equal in each run. */
function quick() {
  const [timer, random] = [globalThis.setTimeout, Math.random];
  globalThis.setTimeout = (work, ms = 0, ...rest) => timer(work, ms >= 500 && ms < 50_000 ? ms / 20 : ms, ...rest);
  Math.random = () => 0.5;
  return () => Object.assign(globalThis, { setTimeout: timer }) && void (Math.random = random);
}
