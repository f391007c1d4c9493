/** Calls that fail, through a proxy that cuts connections before and after the server has processed a request. */

import { equal, refusal, until } from "./harness.mjs";

export async function add(claim, { load, url, proxy, key }) {
  const { createClient, Problem } = await load("index");
  let number = 0;
  const client = createClient(proxy, key, { storage: null });
  await client.auth.signUp({ email: `f${Math.random().toString(36).slice(2)}@example.com`, password: "apples and pears" });
  const posts = client.data.collection("posts");
  const run = Math.random().toString(36).slice(2);

  /** Returns call options with which the first `times` requests get a fault, and a function that lists the requests. */
  const faulty = (fault, times = 1, more = {}) => {
    const name = `${run}-${++number}`;
    const seen = async () => (await fetch(`${proxy}/faults/${name}`)).json();
    return { options: { headers: { "X-Fault": `${name} ${fault} ${times}` }, ...more }, seen, name };
  };

  const PASSING = ["cut-before", "cut-after", "cut-within", "503", "429"];
  const writes = {
    create: async (name, options) => (await posts.create({ name }, options))._id,
    put: (name, options) => posts.put(name, { name, n: 1 }, options),
    "put with a revision": async (name, options) => posts.put(name, { name, n: 1 }, { ...options, ifRev: (await posts.put(name, { n: 0 }))._rev }),
    patch: async (name, options) => (await posts.put(name, { name, n: 0 }), posts.patch(name, { $inc: { n: 1 } }, options)),
    delete: async (name, options) => (await posts.put(name, { n: 0 }), posts.delete(name, options)),
    commit: (name, options) => client.data.commit([{ op: "create", collection: "posts", data: { name, n: 1 } }], options),
  };

  claim("each write takes effect exactly once, whenever the connection breaks, and each try has the same key", async () => {
    for (const [verb, write] of Object.entries(writes))
      for (const fault of PASSING) {
        // The answer to a delete has no body that could break.
        if (verb === "delete" && fault === "cut-within") continue;
        const { options, seen, name } = faulty(fault);
        await write(name, options).catch((error) => { throw new Error(`${verb} ${fault}: ${error}`); });
        const requests = await seen();
        const found = (await posts.query({ where: { name } })).items;
        const keys = new Set(requests.map((request) => request.idempotency_key));
        equal([verb, fault, requests.length, keys.size, [...keys][0].length >= 32], [verb, fault, 2, 1, true]);
        equal([verb, fault, found.length, found[0]?.n ?? 1], [verb, fault, verb === "delete" ? 0 : 1, 1]);
      }
  });

  claim("reads are repeated, also those by POST", async () => {
    await posts.put(run, { run });
    for (const fault of PASSING) {
      const get = faulty(fault, 2);
      equal((await posts.get(run, get.options)).run, run);
      const query = faulty(fault, 2);
      equal((await posts.query({ where: { run } }, query.options)).items.length, 1);
      equal([(await get.seen()).length, (await query.seen()).length], [3, 3]);
    }
  });

  claim("after two retries the problem is thrown, and with retries 0 at once", async () => {
    const twice = faulty("cut-before", 9);
    await refusal(posts.get(run, twice.options), "network");
    const never = faulty("cut-before", 9, { retries: 0 });
    await refusal(posts.get(run, never.options), "network");
    equal([(await twice.seen()).length, (await never.seen()).length], [3, 1]);
  });

  claim("an answer that asks to wait for a minute is thrown at once, with the time", async () => {
    const { options, seen } = faulty("429-long", 9);
    const problem = await refusal(posts.get(run, options), "rate_limited");
    equal([problem.status, problem.retryAfterMs, (await seen()).length], [429, 60_000, 1]);
  });

  claim("a failure that repeats itself, such as a bug of the server, is not repeated", async () => {
    const { options, seen } = faulty("500", 9);
    await refusal(posts.get(run, options), "internal");
    equal((await seen()).length, 1);
  });

  claim("a sign-in and a function are sent once, and a function twice only if asked, with one key", async () => {
    const signIn = faulty("cut-after", 9);
    await refusal(createClient(proxy, key, { storage: null }).auth.signIn({ anonymous: true }, signIn.options), "network");
    const once = faulty("cut-before", 9);
    await refusal(client.functions.invoke("echo", {}, once.options), "network");
    const asked = faulty("cut-after", 1, { retries: 2 });
    equal((await client.functions.invoke("echo", { a: 1 }, asked.options)).body, '{"a":1}');
    const requests = await asked.seen();

    equal([(await signIn.seen()).length, (await once.seen()).length, requests.length], [1, 1, 2]);
    equal([new Set(requests.map((request) => request.idempotency_key)).size, (await once.seen())[0].idempotency_key], [1, ""]);
  });

  claim("a login page of an airport is no answer", async () => {
    const { options } = faulty("captive", 9);
    const problem = await refusal(posts.get(run, options), "unexpected_answer");
    equal([problem.status, problem.body.answer.includes("airport")], [200, true]);
  });

  claim("a call ends after its time, and says so", async () => {
    const { options } = faulty("hang", 9, { timeoutMs: 50 });
    const problem = await refusal(posts.get(run, options), "timeout");
    equal([problem.status, problem.message.includes("50 ms")], [0, true]);
    await refusal(client.functions.fetch("echo", { method: "GET", headers: options.headers, timeoutMs: 50 }), "timeout");
  });

  claim("an abort ends a call with its reason, and a signal that is aborted already sends nothing", async () => {
    const { options, seen } = faulty("hang", 9);
    const ending = new AbortController();
    const call = posts.get(run, { ...options, signal: ending.signal });
    await until(async () => (await seen()).length, "the request");
    const reason = new Error("the person left");
    ending.abort(reason);
    equal((await refusal(call, "aborted")).cause === reason, true);
    const never = faulty("hang", 9);
    for (const send of [
      () => posts.get(run, { ...never.options, signal: ending.signal }),
      () => posts.create({}, { ...never.options, signal: ending.signal }),
      () => client.functions.invoke("echo", {}, { ...never.options, signal: ending.signal }),
      () => client.functions.fetch("echo", { headers: never.options.headers, signal: ending.signal }),
      () => client.auth.reload({ ...never.options, signal: ending.signal }),
      () => client.auth.token({ signal: ending.signal }),
      () => client.data.transaction(() => {}, { signal: ending.signal }),
    ])
      equal((await refusal(send(), "aborted")).cause === reason, true);
    equal((await never.seen()).length, 0);
  });

  claim("an abort ends the pause before a retry", async () => {
    const { options, seen } = faulty("cut-before", 9, { retries: 50 });
    const ending = new AbortController();
    const call = posts.get(run, { ...options, signal: ending.signal });
    await until(async () => (await seen()).length > 1, "a retry");
    ending.abort("enough");
    equal((await refusal(call, "aborted")).cause, "enough");
  });

  claim("the error of a fetch that knows only the word Aborted counts as an abort", async () => {
    const reacting = async () => { throw new Error("Aborted"); }; // React Native rejects with this error.
    await refusal(createClient(url, key, { storage: null, fetch: reacting }).auth.reload(), "aborted");
  });

  claim("a server that refuses, has no name, no TLS, or resets is named, and the cause is kept", async () => {
    const broken = ["http://127.0.0.1:9", "http://no-such-host.invalid", proxy.replace("http:", "https:")];
    for (const address of broken) {
      const problem = await refusal(createClient(address, key, { storage: null, retries: 0 }).auth.reload(), "network");
      equal([problem.message.includes(address), problem.cause instanceof Error, problem.status], [true, true, 0]);
    }
    const reset = await refusal(posts.get(run, faulty("cut-before", 9, { retries: 0 }).options), "network");
    equal([reset.message.includes(proxy), Problem.is(reset, "timeout", "network")], [true, true]);
  });

  claim("a read names the newest write of its client, and a write of an older database does not count", async () => {
    const marks = ["a.5", "a.7", "a.6", "b.1"];
    const sent = [];
    const telling = async (_, { method, headers }) => {
      if (method !== "PUT") sent.push(headers["X-Bunbase-At-Least"] ?? "");
      return new Response("{}", { headers: { "Content-Type": "application/json", ...(method === "PUT" && { "X-Bunbase-Seq": marks.shift() }) } });
    };
    const things = createClient(url, key, { storage: null, fetch: telling }).data.collection("things");
    await things.get("x");
    while (marks.length) {
      await things.put("x", {});
      await things.get("x");
    }
    equal(sent, ["", "a.5", "a.7", "a.7", "b.1"]);
  });

  claim("after a restore of a backup, a read begins the new history by itself, and a state that is late is waited for", async () => {
    const answers = [];
    const sent = [];
    const telling = async (_, { headers }) => {
      sent.push(headers["X-Bunbase-At-Least"] ?? "");
      const [status, body, more] = answers.shift() ?? [200, {}];
      return Response.json(body, { status, headers: more });
    };
    const things = createClient(url, key, { storage: null, fetch: telling }).data.collection("things");
    answers.push([200, {}, { "X-Bunbase-Seq": "a.5" }]);
    await things.put("x", {});
    answers.push([503, { code: "not_yet", seq: "a.4" }, { "Retry-After": "0" }]);
    await things.get("x");
    answers.push([503, { code: "not_yet", seq: "b.1" }]);
    await things.get("x");

    equal(sent, ["", "a.5", "a.5", "a.5", "b.1"]);
  });

  claim("a call leaves no signal behind that depends on that of its caller", async () => {
    const { any } = AbortSignal;
    let made = 0;
    AbortSignal.any = (signals) => (made++, any.call(AbortSignal, signals));
    try {
      await posts.query({ limit: 1 }, { signal: new AbortController().signal });
      equal(made, 0);
    } finally {
      AbortSignal.any = any;
    }
  });

  claim("an engine without AbortSignal.any ends calls by signal and by time too, and leaves no listener", async () => {
    const { any } = AbortSignal;
    AbortSignal.any = undefined;
    try {
      const ending = new AbortController();
      let listeners = 0;
      const { addEventListener, removeEventListener } = ending.signal;
      ending.signal.addEventListener = function (...args) { listeners++; return addEventListener.apply(this, args); };
      ending.signal.removeEventListener = function (...args) { listeners--; return removeEventListener.apply(this, args); };
      equal((await posts.query({ limit: 1 }, { signal: ending.signal })).items.length, 1);
      equal(listeners, 0);
      await refusal(posts.get(run, { ...faulty("hang", 9).options, signal: ending.signal, timeoutMs: 50 }), "timeout");
      const { options, seen } = faulty("hang", 9);
      const call = posts.get(run, { ...options, signal: ending.signal });
      await until(async () => (await seen()).length, "the request");
      ending.abort("enough");
      equal((await refusal(call, "aborted")).cause, "enough");
    } finally {
      AbortSignal.any = any;
    }
  });
}
