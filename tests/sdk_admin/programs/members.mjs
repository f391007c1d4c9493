/** What a program of a member does with a personal access token: functions, jobs, schedules and logs. */

import { equal, refusal, until } from "../../sdk_js/programs/harness.mjs";

const CODE = `exports.default = async (request) => {
  const text = await request.text();
  console.log("line " + text);
  if (text.includes("fail")) throw new Error("failed");
  return { said: text };
};`;

export async function add(claim, { load, url, project, personal, secret }) {
  const { createAdmin } = await load("admin");
  const member = createAdmin(url, personal, { project });
  const server = createAdmin(url, secret);
  const { functions } = member;
  // A new name, because the log of a function stays when other runs deploy the function.
  const logging = `logging-${Math.random().toString(36).slice(2)}`;

  claim("a member reads and writes documents, and acts as a user", async () => {
    const made = await member.data.collection("notes").create({ text: "mine" });
    equal((await member.data.collection("notes").get(made._id)).text, "mine");
    await refusal(member.as(null).data.collection("notes").get(made._id), "document_not_found");
    equal((await member.collections.list()).some(({ name }) => name === "notes"), true);
    equal((await member.users.list({ limit: 1 })).items.length <= 1, true);
    const eve = await member.users.create({ email: `member-${Math.random()}@example.com` });
    equal((await member.auth.customToken(eve.id)).length > 20, true);
    equal((await new Response(await member.users.export()).text()).includes(eve.id), true);
    equal((await member.users.import([{ id: eve.id }], { onConflict: "skip" })).skipped, 1);
    equal((await member.users.impersonate(eve.id)).user.id, eve.id);
    equal((await member.as(eve.id).data.collection("notes").get(made._id)).text, "mine");
    equal((await member.users.changeMany({ action: "delete", ids: [eve.id] })).done, 1);
    equal((await new Response(await member.export({ collection: "notes" })).text()).includes(made._id), true);
    equal((await member.import([{ _id: made._id }], { collection: "notes", mode: "skip" })).skipped, 1);
    equal((await member.rules.test({ collection: "notes", op: "get", doc: {}, auth: null })).allowed, false);
    equal((await member.changes().next()).value.seq > 0, true);
  });

  claim("a slug names the project too, also for tokens that are verified", async () => {
    const bySlug = createAdmin(url, personal, { project: "bakery" });
    await refusal(bySlug.auth.verify("eyJraWQiOiJ4In0.e30.x"), "invalid_token");
    equal((await bySlug.functions.list()).items.length > 0, true);
  });

  claim("what a personal access token cannot do is refused before anything is sent", async () => {
    for (const call of [
      () => member.functions.invoke("echo"),
      () => member.functions.fetch("echo"),
      () => member.as("usr_1").functions.invoke("echo"),
      () => member.token({ scopes: ["read"] }),
    ])
      await refusal(call(), "invalid_value");
  });

  claim("functions are deployed, called, compared, rolled back and deleted", async () => {
    const first = await functions.deploy("said", { bundle: CODE, config: { access: "secret", timeout_ms: 5000 } });
    equal([first.version, first.active, first.config.access], [1, true, "secret"]);
    const second = await functions.deploy("said", { bundle: new TextEncoder().encode(`${CODE}\n// second`), sourceMap: '{"version":3,"sources":[],"mappings":""}' });
    equal((await functions.get("said")).version, 2);
    equal((await server.functions.invoke("said", "a")).said, '"a"');
    equal((await functions.rollback("said")).version, 1);
    equal((await functions.rollback("said", second.version)).version, 2);
    equal((await functions.versions("said")).items.map(({ version }) => version), [2, 1]);
    equal((await functions.bundle("said", 2)).includes("// second"), true);
    equal((await functions.list({ limit: 500 })).items.some(({ name }) => name === "said"), true);
    equal((await functions.stats("said", { hours: 1 })).calls >= 0, true);
    await functions.delete("said");
    await refusal(functions.get("said"), "function_not_found");
    await refusal(functions.bundle("said", 2), "function_not_found");
  });

  claim("jobs that failed for good are listed, replayed and deleted, and runs are shown", async () => {
    await functions.deploy("worker", { bundle: CODE, config: { schedule: "0 6 * * *" } });
    equal((await member.schedules.list({ limit: 500 })).items.find((one) => one.function === "worker").cron, "0 6 * * *");
    const { id } = await member.jobs.enqueue("worker", "fail", { attempts: 1 });
    const dead = await until(async () => (await member.jobs.list({ state: "dead", function: "worker" })).items[0], "a dead job");
    equal([dead.id, (await member.jobs.get(id)).state], [id, "dead"]);
    equal((await functions.runs("worker", { outcome: "error" })).items[0].job, id);
    equal((await member.jobs.replay(id)).id, id);
    await until(async () => (await member.jobs.get(id)).state === "dead", "the job is dead again");
    await member.jobs.delete(id);
    await refusal(member.jobs.get(id), "job_not_found");
  });

  claim("stored lines are read the newest first, with a limit, and filtered", async () => {
    await functions.deploy(logging, { bundle: CODE, config: { access: "secret" } });
    for (const word of ["one", "two", "three"]) await server.functions.fetch(logging, { method: "POST", body: word });
    const read = async (options) => {
      const found = [];
      for await (const { text } of functions.logs(logging, options)) found.push(text);
      return found;
    };
    await until(async () => (await read()).length === 3, "three lines");
    equal(await read({ limit: 1 }), ["line three", "line two", "line one"]);
    equal(await read({ most: 2 }), ["line three", "line two"]);
    equal(await read({ q: "two" }), ["line two"]);
    equal(await read({ level: "error" }), []);
    equal(await read({ since: new Date(Date.now() + 60_000) }), []);
    equal(await read({ most: 0 }), []);
  });

  claim("followed lines arrive once and in order, although the connection breaks after each of them", async () => {
    let connections = 0;
    const breaking = async (address, init) => {
      const response = await fetch(address, init);
      if (!String(address).includes("follow=true")) return response;
      connections++;
      return new Response(broken(response.body), response);
    };
    const following = createAdmin(url, personal, { project, fetch: breaking });
    const abort = new AbortController();
    const seen = [];
    const done = (async () => {
      for await (const { text, seq } of following.functions.logs(logging, { follow: true, signal: abort.signal })) seen.push([text, seq]);
    })();
    await until(() => connections > 0, "a connection");
    const words = Array.from({ length: 4 }, (_, n) => `follow ${n}`);
    for (const [n, body] of words.entries()) {
      await server.functions.fetch(logging, { method: "POST", body });
      await until(() => seen.length > n, body);
    }
    abort.abort();
    await refusal(done, "aborted");
    equal(seen.map(([text]) => text), words.map((word) => `line ${word}`));
    equal(connections > 1, true);
    const resumed = [];
    for await (const { text } of functions.logs(null, { follow: true, after: seen[1][1] })) {
      resumed.push(text);
      if (resumed.length === 2) break;
    }
    equal(resumed, ["line follow 2", "line follow 3"]);
  });

  claim("an iterator that follows gives up when the server stays away, and at once when it is refused", async () => {
    const away = async () => {
      throw new TypeError("no network");
    };
    const lonely = createAdmin(url, personal, { project, fetch: away, retries: 0 });
    const options = { follow: true, patienceMs: 10 };
    await refusal(lonely.functions.logs(logging, options).next(), "network");
    await refusal(lonely.changes(options).next(), "network");
    await refusal(functions.logs("missing", options).next(), "function_not_found");
    await refusal(createAdmin(url, "bpt_wrong", { project }).functions.logs(null, options).next(), "invalid_token");
  });
}

/** Returns a stream that breaks after its first event. */
function broken(body) {
  const reader = body.getReader();
  let events = 0;
  return new ReadableStream({
    async pull(controller) {
      if (events) {
        void reader.cancel();
        return controller.error(new TypeError("terminated"));
      }
      const { done, value } = await reader.read();
      if (done) return controller.close();
      if (new TextDecoder().decode(value).includes("data: ")) events++;
      controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
