/** An app with live queries and channels, against a running BunBase that defines the channels `rooms/{room}`. */

import { equal, until } from "./harness.mjs";

export async function add(claim, { load, url, key, transports, withoutSocket }) {
  const { createClient } = await load("index");
  const { createLive } = await load("live/index");
  if (withoutSocket) delete globalThis.WebSocket;
  const sockets = [];
  const Watched = globalThis.WebSocket && class extends WebSocket {
    constructor(...given) {
      super(...given);
      sockets.push(this);
    }
  };
  const run = Math.random().toString(36).slice(2, 8); // The name is new, because other runs share the server.
  const [eve, ada] = [createClient(url, key, { storage: null }), createClient(url, key, { storage: null })];
  const live = createLive(eve, { WebSocket: Watched, ...(transports && { transports }) });
  const posts = live.collection("posts");
  const states = [];
  live.onState((state) => states.push(state));
  const view = (query, { from = live, name = "posts" } = {}) => {
    const seen = [];
    const stop = from.collection(name).watch(query, (result) => seen.push(result));
    return { seen, stop, ids: () => seen.at(-1)?.items.map(({ n }) => n).join(), last: () => seen.at(-1) };
  };
  const mine = (more = {}) => ({ where: { run, ...more }, sort: ["n"] });
  const other = ada.data.collection("posts");
  let all;

  claim("a query shows its result, own writes at once, and those of others when they happen", async () => {
    await eve.auth.signIn({ anonymous: true });
    await ada.auth.signIn({ anonymous: true });
    await other.create({ _id: `${run}1`, run, n: 1 });
    all = view({ ...mine(), count: true });
    await until(() => all.ids() === "1" && live.state === "live", "the first result");
    const write = posts.create({ _id: `${run}3`, run, n: 3 });
    equal([all.ids(), all.last().pending, all.last().count], ["1,3", true, 2]);
    equal((await write)._rev, 1);
    await until(() => all.last().items[1]._rev === 1 && !all.last().pending, "the document of the server");
    await other.create({ _id: `${run}2`, run, n: 2 });
    await until(() => all.ids() === "1,2,3", "the write of another user");
    equal(all.last().count, 3);
  });

  claim("a document leaves the filter, changes its place, and is deleted", async () => {
    const few = view(mine({ n: { $lt: 3 } }));
    await until(() => few.ids() === "1,2", "the filtered result");
    await other.patch(`${run}1`, { n: 5 });
    await until(() => few.ids() === "2" && all.ids() === "2,3,5", "the changes");
    equal([few.last().removed.length, all.last().changed.length], [1, 1]);
    await other.delete(`${run}2`);
    await until(() => few.ids() === "" && all.ids() === "3,5", "the deletion");
    few.stop();
  });

  claim("a commit over two collections is seen at once in both results", async () => {
    const [one, two] = [view(mine({ pair: true })), view(mine({ pair: true }), { name: "notes" })];
    await until(() => one.seen.length && two.seen.length, "empty results");
    const lengths = [];
    const note = () => lengths.push([one, two].map(({ seen }) => seen.at(-1).items.length).join());
    const stops = ["posts", "notes"].map((name) => live.collection(name).watch(mine({ pair: true }), () => queueMicrotask(note)));
    for (let n = 0; n < 5; n++)
      await ada.data.commit(["posts", "notes"].map((collection) => ({ op: "create", collection, data: { run, n: 100 + n, pair: true } })));
    await until(() => one.seen.at(-1).items.length === 5 && two.seen.at(-1).items.length === 5, "all commits");
    equal(lengths.filter((pair) => pair.split(",")[0] !== pair.split(",")[1]), []);
    for (const { stop } of [one, two]) stop();
    for (const stop of stops) stop();
  });

  claim("what happens while the connection is cut is there after it, and nothing twice", async () => {
    const few = view(mine({ pair: { $exists: false } }));
    await until(() => few.ids() === "3,5", "the result");
    const before = few.seen.length;
    sockets.at(-1)?.close();
    if (sockets.length) await until(() => live.state === "offline", "offline");
    await other.create({ _id: `${run}4`, run, n: 4 });
    await other.delete(`${run}3`);
    await until(() => few.ids() === "4,5", "the difference");
    equal(few.seen.at(-1).items.length, 2);
    const later = few.seen.slice(before);
    equal([later.flatMap(({ added }) => added).length, later.flatMap(({ removed }) => removed).length], [1, 1]);
    few.stop();
  });

  claim("a hundred increments of two users are counted once each", async () => {
    await other.put(`${run}c`, { run, counter: true, n: 0 });
    const counted = view({ where: { run, counter: true } });
    await until(() => counted.ids() === "0", "the counter");
    const sum = [];
    for (let n = 0; n < 50; n++) sum.push(posts.patch(`${run}c`, { $inc: { n: 1 } }), other.patch(`${run}c`, { $inc: { n: 1 } }));
    await Promise.all(sum);
    await until(() => counted.ids() === "100" && !counted.last().pending, "the sum");
    const shown = counted.seen.map(({ items }) => items[0].n);
    equal(Math.max(...shown), 100);
    counted.stop();
  });

  claim("one document, chosen fields, and a refused write", async () => {
    const titles = [];
    const stop = posts.watchOne(`${run}x`, ({ document }) => titles.push(document?.title ?? null));
    await until(() => titles.length === 1, "nothing");
    await other.put(`${run}x`, { run: "other", title: "Hello", n: 1 });
    await until(() => titles.at(-1) === "Hello", "the document");
    const chosen = [];
    const end = posts.watch({ where: { run: "other", _id: `${run}x` }, select: ["title"] }, ({ items }) => chosen.push(items));
    await until(() => chosen.length, "the chosen fields");
    equal(chosen[0], [{ _id: `${run}x`, title: "Hello" }]);
    const problem = await posts.patch(`${run}x`, { title: "Late" }, { ifRev: 99 }).catch(({ code }) => code);
    equal(problem, "stale_revision");
    await until(() => titles.at(-1) === "Hello" && titles.includes("Late"), "the end of the local write");
    stop(), end();
  });

  claim("a query that cannot be watched ends with its problem, and the others go on", async () => {
    const problems = [];
    posts.watch({ where: { $search: "words" } }, ({ problem }) => problems.push(problem?.code));
    live.collection("closed").watch({}, ({ problem }) => problems.push(problem?.code));
    await until(() => problems.length === 2, "both problems");
    equal(problems.every((code) => typeof code === "string"), true);
    await other.patch(`${run}4`, { n: 6 });
    await until(() => all.last().items.some(({ n }) => n === 6), "the others");
  });

  claim("a channel brings messages in order and once, also after a cut, and shows who is there", async () => {
    const others = createLive(ada, { ...(transports && { transports }) });
    const [heard, there, problems] = [[], [], []];
    const room = live.channel(`rooms/${run}`);
    const problem = ({ code }) => problems.push(code);
    const members = (list) => there.push(list.map(({ data }) => data.name).sort().join());
    const leave = room.join({ message: ({ data }) => heard.push(data), members, problem }, { presence: { name: "Eve" } });
    await until(() => there.at(-1) === "Eve" || problems.length, "Eve alone");
    equal(problems, []);
    const away = others.channel(`rooms/${run}`).join({}, { presence: { name: "Ada" } });
    await until(() => there.at(-1) === "Ada,Eve", "both");
    equal(await room.publish(1), 1);
    await room.publish(2, { echo: false });
    await others.channel(`rooms/${run}`).publish(3);
    await until(() => heard.join() === "1,3", "both messages");
    sockets.at(-1)?.close();
    await others.channel(`rooms/${run}`).publish(4);
    await until(() => heard.join() === "1,3,4", "the message after the cut");
    away();
    await until(() => there.at(-1) === "Eve", "Eve alone again");
    leave();
    others.close();
  });

  claim("after a sign-out the results are empty, and those of the next user are there after a sign-in", async () => {
    await eve.auth.signOut();
    await until(() => all.last().items.length === 0 && (all.last().problem || !all.last().loading), "nothing for nobody");
    await eve.auth.signIn({ anonymous: true });
    await until(() => all.last().items.length > 0, "the result of another user");
    live.close();
    equal(states.includes("offline"), true);
    for (const client of [eve, ada]) client.close();
  });
}
