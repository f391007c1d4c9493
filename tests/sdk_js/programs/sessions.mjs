/**
 * Sessions in one process, with unreliable storages and clocks, against a strict server where a refresh token works
 * once.
 */

import { equal, refusal, until } from "./harness.mjs";

const HOUR = 3_600_000;

export async function add(claim, { load, strict }) {
  const { createClient, Problem } = await load("index");
  const now = Date.now.bind(Date);
  let shift = 0;
  let frozen;
  Date.now = () => (frozen ?? now()) + shift;

  const ask = async (path, body) =>
    (await fetch(strict + path, body ? { method: "POST", body: JSON.stringify(body) } : undefined)).json();
  const control = (change = {}) => ask("/control", change);

  /** A storage with the promises of AsyncStorage (React Native). */
  const place = () => {
    const texts = new Map();
    return {
      texts,
      getItem: async (key) => texts.get(key) ?? null,
      setItem: async (key, text) => void texts.set(key, text),
      removeItem: async (key) => void texts.delete(key),
    };
  };
  const fresh = async ({ ttl = 900, reuse = "end", storage = place(), ...options } = {}) => {
    shift = 0;
    await ask("/control/reset", {});
    await control({ ttl, reuse });
    const client = createClient(strict, "pk_1", { storage, retries: 0, ...options });
    await client.auth.signIn({ email: "eve@example.com", password: "apples and pears" });
    return { client, storage, things: client.data.collection("things") };
  };
  const again = (storage, options) => createClient(strict, "pk_1", { storage, retries: 0, ...options });

  claim("a callback may await the client, also one that was registered during a start with an expired session", async () => {
    const { storage } = await fresh();
    shift = HOUR;
    const client = again(storage);
    const done = [];
    client.auth.onChange(async (user, why) => {
      await client.auth.token();
      await client.data.collection("things").query();
      done.push(why);
      if (why === "refreshed") await client.auth.signOut();
    });

    await until(() => done.includes("signed_out") && done.includes("initial"), "the sign-out within the callback");
    equal([done.filter((why) => why === "initial").length, client.auth.user], [1, null]);
  });

  claim("calls at the same time renew once, and each has the new token", async () => {
    const { things } = await fresh();
    shift = HOUR;

    const pages = await Promise.all(Array.from({ length: 20 }, () => things.query()));

    const { refreshes, reuses, anonymous } = await control();
    equal([refreshes, reuses, anonymous, new Set(pages.map(({ bearer }) => bearer)).size], [1, 0, 0, 1]);
  });

  claim("a 401 about the token renews it once, and repeats the call once", async () => {
    const { things } = await fresh();
    await ask("/control/expire", {});

    await Promise.all([things.query(), things.query()]);

    const { refreshes, requests, reuses } = await control();
    equal([refreshes, reuses, requests], [1, 0, 4]);
  });

  claim("no network, 500, 429, a login page and a refused key keep the session, and calls are not sent without it", async () => {
    for (const refresh of ["offline", "500", "429", "captive", "captive-403", "invalid_key"]) {
      const { storage } = await fresh();
      shift = HOUR;
      await control({ refresh });
      const client = again(storage);
      await client.auth.ready;
      const things = client.data.collection("things");
      for (let call = 0; call < 10; call++) await things.query().then(() => { throw new Error("sent"); }, (problem) => equal(Problem.is(problem), true));
      const during = await control({ refresh: "ok" });
      equal([refresh, client.auth.user?.email, during.refreshes, during.requests, storage.texts.size], [refresh, "eve@example.com", 1, 0, 1]);
      shift += 1100;
      await things.query();
      equal((await control()).requests, 1);
    }
  });

  claim("the pause between failed renewals grows to 30 seconds", async () => {
    const { storage } = await fresh();
    shift = HOUR;
    frozen = now();
    let sent = 0;
    const failing = async () => (sent++, Response.json({ code: "internal" }, { status: 500 }));
    const things = again(storage, { fetch: failing }).data.collection("things");
    const tries = [];
    for (let second = 0; second < 120; second++) {
      const before = sent;
      await refusal(things.query(), "internal");
      if (sent > before) tries.push(second);
      shift += 1000;
    }
    frozen = undefined;
    equal(tries, [0, 1, 3, 7, 15, 31, 61, 91]);
  });

  claim("a ban, and a token that somebody else has used, sign out with the reason expired", async () => {
    for (const refresh of ["banned", "ok"]) {
      const { client, storage, things } = await fresh();
      const whys = [];
      client.auth.onChange((_, why) => whys.push(why));
      await until(() => whys.length === 1, "initial");
      shift = HOUR;
      await control({ refresh });
      // Now all tokens have expired.
      if (refresh === "ok") await ask("/v1/auth/refresh", { refresh_token: "refresh0" });
      const problem = await things.query().catch((error) => error);
      await until(() => whys.length === 2, "expired");

      equal([problem.status, whys, client.auth.user, storage.texts.size], [refresh === "ok" ? 401 : 403, ["initial", "expired"], null, 0]);
    }
  });

  claim("a sign-out empties the storage first, also when the server cannot be reached", async () => {
    const { client, storage } = await fresh();
    await control({ logout: "offline" });
    await refusal(client.auth.signOut(), "network");

    const { logouts } = await control();
    equal([storage.texts.size, client.auth.user, logouts.length, logouts[0].startsWith("access")], [0, null, 1, true]);
    await client.auth.signOut(); // Nobody is signed in, so nothing happens.
  });

  claim("a clock that is wrong by an hour or a day, or jumps, costs one renewal for each lifetime at most", async () => {
    for (const skew of [HOUR, -HOUR, 24 * HOUR, -24 * HOUR]) {
      const { things } = await fresh();
      for (let call = 0; call < 5; call++) await things.query();
      equal((await control()).refreshes, 0);
      shift = skew;
      for (let call = 0; call < 5; call++) await things.query();
      equal([skew, (await control()).refreshes], [skew, 1]);
    }
  });

  claim("a storage that throws, or never answers, is replaced by memory with one warning", async () => {
    const never = () => new Promise(() => {});
    const throws = () => { throw new Error("quota"); };
    for (const broken of [
      { getItem: never, setItem: never, removeItem: never },
      { getItem: throws, setItem: throws, removeItem: throws },
      { getItem: async () => null, setItem: throws, removeItem: never },
      { getItem: () => "{nonsense", setItem: async () => throws(), removeItem: throws },
    ]) {
      const warnings = [];
      const { client, things } = await fresh({ storage: broken, onProblem: (problem) => warnings.push(problem.code) });
      equal([client.auth.user?.email, (await things.query()).bearer.slice(0, 6)], ["eve@example.com", "access"]);
      await client.auth.signOut();
      equal([client.auth.user, warnings], [null, ["storage_failed"]]);
    }
  });

  claim("two processes with one session and no lock renew at once, and both stay signed in", async () => {
    const { client, storage, things } = await fresh({ reuse: "same" });
    const other = again(storage);
    await other.auth.ready;
    shift = HOUR;
    await control({ delay_ms: 100 });
    const pages = await Promise.all([things.query(), other.data.collection("things").query()]);

    equal([new Set(pages.map(({ bearer }) => bearer)).size, (await control()).anonymous], [1, 0]);
    equal([client.auth.user?.email, other.auth.user?.email], ["eve@example.com", "eve@example.com"]);
  });

  claim("the loser of two renewals uses the token of the winner, and stays signed in", async () => {
    const { client, storage, things } = await fresh({ reuse: "refuse" });
    const other = again(storage);
    await other.auth.ready;
    shift = HOUR;
    await control({ delay_ms: 100 });
    const pages = await Promise.all([things.query(), other.data.collection("things").query()]);

    const { reuses, anonymous } = await control();
    equal([new Set(pages.map(({ bearer }) => bearer)).size, reuses, anonymous], [1, 1, 0]);
    equal([client.auth.user?.email, other.auth.user?.email], ["eve@example.com", "eve@example.com"]);
  });

  claim("a session that another process has renewed before is the answer, and nothing is renewed again", async () => {
    const { client, storage, things } = await fresh();
    const other = again(storage);
    await other.auth.ready;
    shift = HOUR;
    await things.query();
    const whys = [];
    other.auth.onChange((_, why) => whys.push(why));
    await until(() => whys.length === 1, "initial");
    await other.data.collection("things").query();
    await until(() => whys.length === 2, "other_tab");

    const { refreshes, reuses } = await control();
    equal([refreshes, reuses, whys, client.auth.user?.id], [1, 0, ["initial", "other_tab"], "usr_eve"]);
  });

  claim("a sign-out while a renewal is under way stays a sign-out", async () => {
    const { client, storage } = await fresh();
    shift = HOUR;
    await control({ delay_ms: 200 });
    const renewing = client.auth.token();
    await new Promise((resolve) => setTimeout(resolve, 20));
    await client.auth.signOut().catch(() => {});

    equal([await renewing.catch(() => null), client.auth.user, storage.texts.size], [null, null, 0]);
  });

  claim("an abort ends the caller's wait for a renewal, and not the renewal of the others", async () => {
    const { client, things } = await fresh();
    shift = HOUR;
    await control({ delay_ms: 200 });
    const ending = new AbortController();
    const [ended, other] = [client.auth.token({ signal: ending.signal }), things.query()];
    ending.abort("enough");

    equal([(await refusal(ended, "aborted")).cause, (await other).bearer.slice(0, 6), (await control()).refreshes], ["enough", "access", 1]);
  });

  claim("a callback that throws, and one that was removed, disturb nothing", async () => {
    const { client, things } = await fresh();
    const silent = console.error;
    console.error = () => {};
    const heard = [];
    client.auth.onChange(() => { throw new Error("mine"); });
    const ending = new AbortController();
    client.auth.onChange((_, why) => heard.push(why), { signal: ending.signal });
    client.auth.onChange(() => heard.push("never"))();
    for (let times = 0; times < 1000; times++) client.auth.onChange(() => heard.push("never"))();
    await until(() => heard.length === 1, "initial");
    ending.abort();
    await client.auth.signOut();
    await things.query();
    console.error = silent;

    equal(heard, ["initial"]);
  });

  claim("calls at the same time do not cancel each other", async () => {
    const { things } = await fresh();
    const pages = await Promise.all(Array.from({ length: 30 }, (_, n) => things.query({ where: { n: n % 3 } })));
    equal(pages.length, 30);
  });

  claim("10,000 calls on one signal leave no listener and no memory, and 1,000 clients neither", async () => {
    if (!globalThis.gc) return;
    const ending = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = AbortSignal.prototype;
    ending.signal.addEventListener = function (...args) { listeners++; return addEventListener.apply(this, args); };
    ending.signal.removeEventListener = function (...args) { listeners--; return removeEventListener.apply(this, args); };
    const quick = async () => new Response('{"items":[],"next":null}', { headers: { "Content-Type": "application/json" } });
    const client = createClient(strict, "pk_1", { storage: null, fetch: quick });
    const calls = async (times) => {
      for (let call = 0; call < times; call++) await client.data.collection("things").query({}, { signal: ending.signal });
    };
    const clients = (times) => {
      for (let made = 0; made < times; made++) {
        const other = createClient(strict, "pk_1", { storage: null });
        other.auth.onChange(() => {});
        other.close();
      }
    };
    const heap = async () => {
      for (let turn = 0; turn < 5; turn++) {
        globalThis.gc();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      return process.memoryUsage().heapUsed;
    };
    await calls(500);
    clients(100);
    const before = await heap();
    await calls(10_000);
    clients(1000);
    const grown = (await heap()) - before;

    equal(listeners, 0);
    if (grown > 2_000_000) throw new Error(`${grown} bytes more`);
  });
}
