/** Writes that the server does not accept. Some of them end, and others wait. Meanwhile the page gets messages. */

import { equal, refusal, until } from "./harness.mjs";
import { LiveServer } from "./live_server.mjs";

const BROKEN = { status: 502, code: "before_write_failed", cause: "function_error", detail: "The function moderate failed." };
const INTERNAL = { status: 500, code: "internal", detail: "The server failed unexpectedly." };

export async function add(claim, { load }) {
  const { createClient } = await load("index");
  const { createLive } = await load("live/index");
  const { createTestServer } = await load("testing/index");

  function made(options = {}, server = new LiveServer(createTestServer())) {
    const client = createClient("http://bunbase.test", "pk_test", { storage: null, fetch: server.fetch, onProblem() {} });
    const [refused, told] = [[], []];
    const live = createLive(client, { WebSocket: server.WebSocket, onRefused: (write, { code }) => refused.push(`${write.op} ${write.id} ${code}`), ...options });
    live.onStuck((stuck) => told.push(stuck ? `${stuck.write.id} ${stuck.problem.code}` : "free"));
    return { server, live, refused, told, posts: live.collection("posts"), stored: () => server.http.documents("posts").map(({ _id }) => _id).join() };
  }

  /** Makes writes of `poison` fail, and counts these writes. */
  function failing(server, problem) {
    const counted = { tries: 0 };
    server.faults.failing = (request) => (request.includes("poison") && ++counted.tries ? problem : undefined);
    return counted;
  }

  claim("a write on which a function fails three times is refused, and later writes go on", async () => {
    const { server, live, posts, refused, told, stored } = made();
    const counted = failing(server, BROKEN);
    const poison = posts.create({ _id: "bad", text: "poison" });
    const innocent = live.collection("posts").create({ _id: "good", text: "innocent" });
    const problem = await refusal(poison, "before_write_failed");
    equal(problem.body.cause, "function_error");
    await innocent;
    equal([counted.tries, stored(), refused, told], [3, "good", ["create bad before_write_failed"], ["bad before_write_failed", "free"]]);
    equal([live.waiting, live.stuck], [0, undefined]);
    live.close();
  });

  claim("each write has its own three tries", async () => {
    const { server, live, posts, refused } = made();
    const counted = failing(server, BROKEN);
    const writes = [1, 2].map((n) => posts.create({ _id: `bad${n}`, text: "poison" }));
    await Promise.allSettled(writes);
    equal([counted.tries, refused.length], [6, 2]);
    live.close();
  });

  claim("a server that is busy or away loses no write, and the page learns that the queue waits", async () => {
    const { server, live, posts, refused, told, stored } = made();
    for (const problem of [
      { status: 503, code: "database_busy" },
      { status: 500, code: "data_unreadable" },
      { status: 502, code: "bad_gateway" },
      { status: 503, code: "before_write_busy", cause: "function_overloaded" },
      { status: 429, code: "rate_limited" },
      { status: 408, code: "request_timeout" },
    ]) {
      const counted = failing(server, problem);
      const write = posts.put(problem.code, { text: "poison" });
      await until(() => counted.tries > 20, problem.code);
      equal([live.stuck?.write.id, live.stuck?.problem.code], [problem.code, problem.code]);
      server.faults.failing = undefined;
      await write;
      equal([live.stuck, told.at(-1)], [undefined, "free"]);
    }
    equal([refused, stored().split(",").length], [[], 6]);
    live.close();
  });

  claim("pages of a proxy, a portal or a CDN lose no write", async () => {
    const { server, live, posts, refused, stored } = made();
    for (const status of [200, 403, 404, 503, 520, 530]) {
      const counted = failing(server, { status, html: "<h1>Please come back later</h1>" });
      const write = posts.put(`p${status}`, { text: "poison" });
      await until(() => counted.tries > 6, `tries after ${status}`);
      server.faults.failing = undefined;
      await write;
    }
    equal([refused, stored().split(",").length, live.waiting], [[], 6, 0]);
    failing(server, { status: 413, html: "<h1>Too large</h1>" });
    await refusal(posts.put("large", { text: "poison" }), "unexpected_answer");
    live.close();
  });

  claim("a write on which the server itself fails is refused after five tries and a minute", async () => {
    const { server, live, posts, refused } = made();
    for (const problem of [INTERNAL, { status: 503, code: "before_write_busy", cause: "function_timeout" }, { status: 504, code: "deadline_exceeded" }]) {
      const counted = failing(server, problem);
      const poison = posts.put("bad", { text: "poison" });
      await until(() => counted.tries > 10, "more than five tries");
      equal([live.waiting, live.stuck?.problem.code], [1, problem.code]);
      const { now } = Date;
      try {
        Date.now = () => now() + 61_000;
        await refusal(poison, problem.code);
      } finally {
        Date.now = now;
      }
    }
    equal(refused.length, 3);
    live.close();
  });

  claim("a write of an earlier visit has the failures of that visit, and does not stop the next one", async () => {
    const texts = new Map();
    const below = (prefix) => [...texts].filter(([key]) => key.startsWith(prefix)).map(([, text]) => text);
    const cache = { get: async (key) => texts.get(key), set: async (key, text) => void texts.set(key, text), delete: async (key) => void texts.delete(key), list: async (prefix) => below(prefix), trim: async () => {} };
    const first = made({ cache });
    let [tries, held] = [0, undefined];
    const fails = (request) => (request.includes("poison") && ++tries ? BROKEN : undefined);
    first.server.faults.failing = (request) => (tries < 2 ? fails(request) : (held = { status: 503, code: "database_busy" }));
    void first.posts.create({ _id: "bad", text: "poison" }).catch(() => {});
    void first.posts.create({ _id: "good", text: "innocent" }).catch(() => {});
    await until(() => held && below("write:").some((text) => JSON.parse(text).failed?.tries === 2), "two failures in the cache");
    first.live.close();

    first.server.faults.failing = fails;
    const second = made({ cache }, first.server);
    await until(() => second.refused.length, "the refusal at the next visit");
    await until(() => second.stored() === "good", "the later write");
    equal([tries, second.refused, second.live.waiting], [3, ["create bad before_write_failed"], 0]);
    await until(() => below("write:").every((text) => JSON.parse(text).id !== "bad"), "the end of the kept write");
    second.live.close();
  });
}
