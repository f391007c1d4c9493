/** Service accounts and their tokens, the environment, and connections that break. */

import { createServer } from "node:http";
import { equal, refusal } from "../../sdk_js/programs/harness.mjs";

export async function add(claim, environment) {
  const { load, url, proxy, project, secret, personal, folder, clientId, clientSecret, rsaClient, rsaKey, ecClient, ecKey } = environment;
  const { createAdmin, createAdminFromEnv } = await load("admin");
  const account = { clientId, clientSecret };

  /** Counts the requests for tokens, and answers the first `refusals` other requests with 401. */
  function counting(refusals = 0, changed = (answer) => answer) {
    const counts = { tokens: 0, others: 0, sent: new Set() };
    const wrapped = async (address, init) => {
      if (String(address).endsWith("/v1/auth/token")) {
        counts.tokens++;
        const answer = await (await fetch(address, init)).json();
        return Response.json(changed(answer));
      }
      counts.sent.add(new Headers(init.headers).get("Authorization"));
      if (counts.others++ < refusals) return Response.json({ code: "invalid_token", status: 401 }, { status: 401 });
      return fetch(address, init);
    };
    return [counts, wrapped];
  }

  claim("a function that leads elsewhere gets no credential there", async () => {
    const got = [];
    const listening = (answer) => new Promise((done) => {
      const server = createServer(answer).listen(0, "127.0.0.1", () => done({ server, url: `http://127.0.0.1:${server.address().port}` }));
    });
    const other = await listening((request, response) => (got.push(request.headers), response.end()));
    const first = await listening((request, response) => {
      const answer = JSON.stringify({ access_token: "t", expires_in: 600, scope: "data:read" });
      if (request.url === "/v1/auth/token") response.writeHead(200, { "Content-Type": "application/json" }).end(answer);
      else response.writeHead(307, { Location: `${other.url}/elsewhere` }).end();
    });
    try {
      for (const credential of ["sk_1", account]) {
        const admin = createAdmin(first.url, credential);
        for (const { functions } of [admin, admin.as("usr_1")]) {
          equal((await functions.fetch("go")).status, 307);
          await refusal(functions.invoke("go"), "unexpected_answer");
        }
      }
      equal(got, []);
    } finally {
      for (const { server } of [first, other]) server.close();
    }
  });

  claim("fifty calls at once ask for one token", async () => {
    const [counts, wrapped] = counting();
    const admin = createAdmin(url, account, { fetch: wrapped });
    await Promise.all(Array.from({ length: 50 }, () => admin.data.collection("posts").query({ limit: 1 })));
    await admin.as(null).data.collection("posts").query().catch(() => {});
    equal([counts.tokens, counts.sent.size], [1, 1]);
  });

  claim("a token that is refused is renewed once, and the call repeated once", async () => {
    const [counts, wrapped] = counting(1);
    const admin = createAdmin(url, account, { fetch: wrapped });
    equal(Array.isArray((await admin.users.list({ limit: 1 })).items), true);
    equal([counts.tokens, counts.others], [2, 2]);
  });

  claim("fifty calls whose token is refused at once renew it once", async () => {
    const [counts, wrapped] = counting(50);
    const admin = createAdmin(url, account, { fetch: wrapped });
    await Promise.all(Array.from({ length: 50 }, () => admin.data.collection("posts").query({ limit: 1 })));
    equal(counts.tokens, 2);
  });

  claim("a server that refuses every token gets no more than two of them", async () => {
    const [counts, wrapped] = counting(Infinity);
    const problem = await refusal(createAdmin(url, account, { fetch: wrapped }).users.list(), "invalid_token");
    equal([problem.status, counts.tokens, counts.others], [401, 2, 2]);
  });

  claim("a token is used for four fifths of its life", async () => {
    const [counts, wrapped] = counting(0, (answer) => ({ ...answer, expires_in: 100 }));
    const admin = createAdmin(url, account, { fetch: wrapped });
    const now = Date.now;
    try {
      await admin.users.list({ limit: 1 });
      Date.now = () => now() + 75_000;
      await admin.users.list({ limit: 1 });
      equal(counts.tokens, 1);
      Date.now = () => now() + 85_000;
      await admin.users.list({ limit: 1 });
      equal(counts.tokens, 2);
    } finally {
      Date.now = now;
    }
  });

  claim("while no new token can be had, the old one is used to its end", async () => {
    let away = false;
    const [counts, wrapped] = counting(0, (answer) => ({ ...answer, expires_in: 100 }));
    const failing = (address, init) => {
      if (away && String(address).endsWith("/token")) throw new TypeError("no network");
      return wrapped(address, init);
    };
    const admin = createAdmin(url, account, { fetch: failing });
    const now = Date.now;
    try {
      await admin.users.list({ limit: 1 });
      away = true;
      Date.now = () => now() + 90_000;
      await admin.users.list({ limit: 1 });
      Date.now = () => now() + 101_000;
      await refusal(admin.users.list({ limit: 1, retries: 0 }, { retries: 0 }), "network");
      equal(counts.tokens, 1);
    } finally {
      Date.now = now;
    }
  });

  claim("a service account proves itself with an RSA key or a key on P-256", async () => {
    const audience = url;
    for (const known of [{ clientId: rsaClient, privateKey: rsaKey }, { clientId: ecClient, privateKey: ecKey, audience }]) {
      const admin = createAdmin(url, known);
      equal((await admin.users.list({ limit: 1 })).items.length <= 1, true);
      equal((await admin.token({ scopes: ["users:read"] })).scopes, ["users:read"]);
    }
    await refusal(createAdmin(url, { clientId: rsaClient, privateKey: ecKey }).users.list(), "invalid_client");
    for (const privateKey of ["no key", ecKey.replace("PRIVATE KEY", "EC PRIVATE KEY"), "-----BEGIN PRIVATE KEY-----AAAA-----END PRIVATE KEY-----"])
      await refusal(createAdmin(url, { clientId: rsaClient, privateKey }).users.list(), "invalid_value");
  });

  claim("an account may ask for fewer scopes than it has", async () => {
    const admin = createAdmin(url, { ...account, scopes: ["data:notes:read"] });
    await admin.data.collection("notes").query();
    await refusal(admin.data.collection("posts").query(), "insufficient_scope");
  });

  claim("the environment has the server and the credential, and a file that others may read is refused", async () => {
    const { writeFile, chmod } = await import("node:fs/promises");
    const file = `${folder}/account.json`;
    const set = async (values) => {
      for (const name of ["BUNBASE_URL", "BUNBASE_SECRET_KEY", "BUNBASE_SERVICE_ACCOUNT", "BUNBASE_TOKEN", "BUNBASE_PROJECT"]) delete process.env[name];
      Object.assign(process.env, values);
      return createAdminFromEnv();
    };
    await writeFile(file, JSON.stringify({ url, client_id: clientId, client_secret: clientSecret }), { mode: 0o600 });
    for (const [values, works] of [
      [{ BUNBASE_URL: url, BUNBASE_SECRET_KEY: secret }, (admin) => admin.users.list({ limit: 1 })],
      [{ BUNBASE_URL: url, BUNBASE_TOKEN: personal, BUNBASE_PROJECT: project }, (admin) => admin.functions.list()],
      [{ BUNBASE_SERVICE_ACCOUNT: file }, (admin) => admin.users.list({ limit: 1 })],
    ])
      equal(Array.isArray((await works(await set(values))).items), true);
    await chmod(file, 0o640);
    const open = await refusal(set({ BUNBASE_SERVICE_ACCOUNT: file }), "invalid_value");
    equal(open.message.includes("chmod 600"), true);
    await writeFile(`${folder}/key.json`, JSON.stringify({ client_id: rsaClient, private_key: rsaKey }), { mode: 0o600 });
    equal((await (await set({ BUNBASE_URL: url, BUNBASE_SERVICE_ACCOUNT: `${folder}/key.json` })).users.list()).items.length >= 0, true);
    await writeFile(`${folder}/wrong.json`, `{"client_secret": "scs_4711"`, { mode: 0o600 });
    for (const values of [
      {},
      { BUNBASE_SECRET_KEY: secret },
      { BUNBASE_URL: url, BUNBASE_SECRET_KEY: secret, BUNBASE_TOKEN: personal },
      { BUNBASE_URL: url, BUNBASE_TOKEN: personal },
      { BUNBASE_SERVICE_ACCOUNT: `${folder}/missing.json` },
      { BUNBASE_SERVICE_ACCOUNT: `${folder}/key.json` },
      { BUNBASE_SERVICE_ACCOUNT: `${folder}/wrong.json` },
    ]) {
      const problem = await refusal(set(values), "invalid_value");
      equal([problem.message, problem.cause?.message].join().includes("4711"), false);
    }
  });

  claim("a job and a document are made once, although the answer is lost", async () => {
    for (const [name, fault] of [["enqueued", "cut-after"], ["enqueued2", "cut-within"], ["enqueued3", "503"]]) {
      const admin = createAdmin(proxy, secret, { headers: { "X-Fault": `${name} ${fault} 1` } });
      const { id } = await admin.jobs.enqueue("echo", { name }, { delay_seconds: 3600 });
      const seen = await (await fetch(`${proxy}/faults/${name}`)).json();
      equal([id.startsWith("job_"), seen.length, new Set(seen.map((one) => one.idempotency_key)).size], [true, 2, 1]);
    }
    const writing = createAdmin(proxy, secret, { headers: { "X-Fault": "written cut-after 1" } });
    await writing.as(null).data.collection("posts").query().catch(() => {});
    await writing.data.collection("posts").put("once", { n: 1 }, { ifAbsent: true });
    equal((await writing.data.collection("posts").get("once"))._rev, 1);
    await writing.data.collection("posts").delete("once");
  });

  claim("a user who may have been made is not made twice", async () => {
    const admin = createAdmin(proxy, secret, { headers: { "X-Fault": "user cut-after 1" } });
    const email = `lost-${Math.random().toString(36).slice(2)}@example.com`;
    await refusal(admin.users.create({ email }), "network");
    const { id } = await createAdmin(url, secret).users.getByEmail(email);
    await admin.users.delete(id);
  });

  claim("an export that breaks off names the line after which it continues", async () => {
    const admin = createAdmin(url, secret);
    await admin.import([1, 2, 3].map((n) => ({ _id: `d${n}`, text: "x".repeat(100) })), { collection: "broken" });
    const cutting = async (address, init) => {
      const response = await fetch(address, init);
      if (!String(address).includes("/v1/export")) return response;
      const whole = new Uint8Array(await response.arrayBuffer());
      let pulls = 0;
      const stream = new ReadableStream({
        pull(controller) {
          if (pulls++ < 2) controller.enqueue(whole.slice(200 * (pulls - 1), Math.min(200 * pulls, whole.length - 40)));
          else controller.error(new TypeError("terminated"));
        },
      });
      return new Response(stream, response);
    };
    const stream = await createAdmin(url, secret, { fetch: cutting }).export({ collection: "broken" });
    const problem = await refusal(new Response(stream).text().catch((error) => { throw error.cause?.code === "network" ? error.cause : error; }), "network");
    equal(problem.body.after, "d1");
    const rest = await new Response(await admin.export({ collection: "broken", after: problem.body.after })).text();
    equal(rest.trim().split("\n").length, 2);
    const abort = new AbortController();
    const aborted = await admin.export({ collection: "broken", signal: abort.signal });
    abort.abort(new Error("enough"));
    await refusal(readAll(aborted), "aborted");
    await refusal(createAdmin(url, environment.reader).export(), "insufficient_scope");
  });
}

async function readAll(stream) {
  const reader = stream.getReader();
  while (!(await reader.read()).done);
}
