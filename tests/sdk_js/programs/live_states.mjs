/** The state of the connection that the page sees, against a server in memory. */

import { equal, until } from "./harness.mjs";
import { LiveServer } from "./live_server.mjs";

const UNAUTHENTICATED = 4401;

export async function add(claim, { load }) {
  const { createClient } = await load("index");
  const { createLive } = await load("live/index");
  const { createTestServer } = await load("testing/index");

  function made({ broken } = {}) {
    const server = new LiveServer(createTestServer());
    const problem = { status: 502, code: "hook_failed", detail: "The hook before_token of this app failed." };
    const fails = (url) => broken?.on && String(url).includes("/v1/auth/refresh");
    const answer = () => new Response(JSON.stringify(problem), { status: 502, headers: { "Content-Type": "application/problem+json" } });
    const fetch = (url, init) => (fails(url) ? Promise.resolve(answer()) : server.fetch(url, init));
    const client = createClient("http://bunbase.test", "pk_test", { storage: null, fetch, retries: 0, onProblem() {} });
    const live = createLive(client, { WebSocket: server.WebSocket });
    const told = [];
    live.onState((state, reason) => told.push(reason ? `${state} ${reason.code}` : state));
    const watched = (name) => {
      const results = [];
      const stop = live.collection(name).watch({}, (result) => results.push(result));
      return { results, stop, last: () => results.at(-1) };
    };
    return { server, client, live, told, watched };
  }

  claim("a page is not offline before its first connection, or while another user connects", async () => {
    const { client, live, told, watched } = made();
    equal(live.state, "behind");
    const { results } = watched("posts");
    await until(() => live.state === "live", "live");
    await client.auth.signUp({ email: "eve@example.com", password: "apples and pears" });
    await until(() => told.length >= 3 && live.state === "live", "live again");
    await client.auth.signOut();
    await until(() => told.length >= 5 && live.state === "live", "live without a user");
    equal([told.includes("offline"), results.some(({ state }) => state === "offline")], [false, false]);
    live.close();
    equal(live.state, "offline");
  });

  claim("a page is offline if its first connection cannot be made", async () => {
    const { server, live, told, watched } = made();
    server.faults.down = true;
    watched("posts");
    await until(() => live.state === "offline", "offline");
    server.faults.down = false;
    await until(() => live.state === "live", "live");
    // On a busy machine, more than one attempt may fail before the network is back.
    equal([told[0], told.at(-2), told.at(-1)], ["offline", "behind", "live"]);
    live.close();
  });

  claim("a page whose token cannot be renewed learns the reason", async () => {
    const broken = { on: false };
    const { server, client, live, told, watched } = made({ broken });
    await client.auth.signUp({ email: "eve@example.com", password: "apples and pears" });
    watched("posts");
    await until(() => live.state === "live", "live");
    broken.on = true;
    server.cut(UNAUTHENTICATED);
    await until(() => live.problem, "the problem");
    equal([live.state, live.problem.code, told.at(-1)], ["offline", "hook_failed", "offline hook_failed"]);
    broken.on = false;
    await until(() => live.state === "live", "live again");
    equal([live.problem, told.at(-1)], [undefined, "live"]);
    live.close();
  });

  claim("a page reads the claims of its token, also those that the user has not", async () => {
    const payload = btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify({ sub: "usr_1", claims: { rooms: ["a", "b"], name: "\u00e9" } })))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
    const told = async (access) => {
      const kept = JSON.stringify({ user: { id: "usr_1", claims: {} }, access, refresh: "r", at: Date.now(), ttl: 900_000 });
      const storage = { getItem: () => kept, setItem() {}, removeItem() {} };
      const client = createClient("http://bunbase.test", "pk_test", { storage });
      await client.auth.ready;
      return client.auth.claims;
    };
    equal(await told(`x.${payload}.y`), { rooms: ["a", "b"], name: "\u00e9" });
    equal([await told("no token"), await told("a.!.b"), await told(`a.${btoa("null")}.b`)], [{}, {}, {}]);
    equal(createClient("http://bunbase.test", "pk_test", { storage: null }).auth.claims, {});
  });

  claim("a watch that found no place on the connection is watched when another one ends", async () => {
    const { server, live, watched } = made();
    const first = watched("posts");
    await until(() => first.last(), "the first result");
    server.problems.notes = { status: 429, code: "too_many_watches", detail: "A connection can watch 1 query at once." };
    const second = watched("notes");
    await until(() => second.last()?.problem, "the refusal");
    equal(second.last().problem.code, "too_many_watches");
    delete server.problems.notes;
    first.stop();
    await until(() => second.last().problem === undefined && second.last().state === "live", "the second result");
    live.close();
  });
}
