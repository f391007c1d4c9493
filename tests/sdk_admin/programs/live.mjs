/** Live queries and channels of a server, with each credential. */

import { equal, until } from "../../sdk_js/programs/harness.mjs";

export async function add(claim, { load, url, project, credential, secret, personal, ...accounts }) {
  const { createAdmin } = await load("admin");
  const known = {
    key: () => createAdmin(url, secret),
    service: () => createAdmin(url, { clientId: accounts.clientId, clientSecret: accounts.clientSecret }),
    personal: () => createAdmin(url, personal, { project }),
  };
  const admin = known[credential]();
  const run = Math.random().toString(36).slice(2);

  claim("a query shows its result, and each change, without rules", async () => {
    const seen = [];
    const posts = admin.live.collection("posts");
    const stop = posts.watch({ where: { run }, sort: ["n"], count: true }, ({ items, count }) => seen.push(`${items.map(({ n }) => n)}#${count}`));
    await until(() => seen.length, "an empty result");
    await admin.data.collection("posts").create({ _id: run, run, n: 1 });
    await until(() => seen.at(-1) === "1#1", "the write");
    await posts.patch(run, { n: 2 });
    await until(() => seen.at(-1) === "2#1", "the local write");
    stop();
    equal(seen[0], "#0");
  });

  claim("a channel brings messages in order, and shows who is there", async () => {
    const server = createAdmin(url, secret);
    await server.channels.put({ "rooms/{room}": { presence: true, history: { messages: 10, seconds: 300 } } });
    const name = `rooms/${run}`;
    const [heard, members, problems] = [[], [], []];
    const leave = admin.live.channel(name).join(
      { message: ({ data }) => heard.push(data), members: (all) => members.push(all.map(({ data }) => data).join()), problem: ({ code }) => problems.push(code) },
      { presence: "server" },
    );
    await until(() => members.at(-1) === "server" || problems.length, "the member");
    equal(problems, []);
    await server.channels.publish([1, 2].map((data) => ({ channel: name, data })));
    await admin.live.channel(name).publish(3);
    await until(() => heard.length === 3, "all messages");
    equal(heard, [1, 2, 3]);
    leave();
  });

  claim("a query that is refused tells its problem, and a closed client ends at once", async () => {
    const problems = [];
    admin.live.collection("posts").watch({ where: { $search: "word" } }, ({ problem }) => problem && problems.push(problem.code));
    await until(() => problems.length, "the problem");
    admin.live.close();
    equal(problems, ["not_live"]);
  });
}
