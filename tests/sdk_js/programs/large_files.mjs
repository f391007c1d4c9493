/** Large files, progress, and uploads that continue, against a running BunBase. The same program runs in every runtime. */

import { equal, refusal } from "./harness.mjs";

const PART = 8 << 20;

export async function add(claim, { load, url, key, run }) {
  const { createClient } = await load("index");
  const account = { email: `l${run}@example.com`, password: "apples and pears" };
  const first = createClient(url, key, { storage: null });
  await first.auth.signUp(account);
  const mine = first.files.bucket(`mine-${run}`);
  const content = new Uint8Array(PART + 2_000_000).map((_, n) => (n * 31 + (n >> 9)) & 255);

  /** Returns a client of the same user, whose requests go through `pass`. */
  const through = async (pass, options = {}) => {
    const client = createClient(url, key, { storage: null, ...options, fetch: (address, init) => pass(new URL(address).pathname, init, () => fetch(address, init)) });
    await client.auth.signIn(account);
    return client.files.bucket(mine.name);
  };
  const same = async (name, wanted) => {
    const found = await (await mine.download(name)).bytes();
    return found.length === wanted.length && found.every((byte, at) => byte === wanted[at]);
  };
  /** Cuts the body of a chunk, as a lost connection does: the server gets only its beginning. */
  const cutChunk = (init, kept) => ({ ...init, body: init.body.slice(0, kept) });

  claim("a large file is sent in parts, with progress that never lies", async () => {
    const seen = [];
    const stored = await mine.upload("large", new Blob([content], { type: "video/x-test" }), { metadata: { a: "ü" }, onProgress: ({ sent, total }) => seen.push([sent, total]) });

    equal([stored.size, stored.content_type, stored.metadata, stored.owner], [content.length, "video/x-test", { a: "ü" }, first.auth.user.id]);
    equal(await same("large", content), true);
    equal([seen[0], seen.at(-1)], [[0, content.length], [content.length, content.length]]);
    equal(seen.every(([sent, total], at) => total === content.length && (!at || sent >= seen[at - 1][0])), true);
  });

  claim("a small file has progress too, and an empty one", async () => {
    for (const size of [0, 200_000]) {
      const seen = [];
      await mine.upload(`small-${size}`, content.subarray(0, size), { onProgress: ({ sent, total }) => seen.push([sent, total]) });
      equal([seen[0], seen.at(-1)], [[0, size], [size, size]]);
      equal(await same(`small-${size}`, content.subarray(0, size)), true);
    }
  });

  claim("an upload continues after lost connections and lost answers, and each byte is stored once", async () => {
    const faults = ["busy", "server", "refused", "cut", "lost"];
    const bucket = await through(async (path, init, send) => {
      const fault = init.method === "PATCH" ? faults.shift() : undefined;
      if (fault === "cut") {
        await fetch(url + path, cutChunk(init, 3_000_000));
        throw new TypeError("cut");
      }
      if (fault === "lost") {
        await (await send()).body?.cancel();
        throw new TypeError("lost");
      }
      if (fault === "busy") return Response.json({ code: "upload_busy", status: 423 }, { status: 423 });
      if (fault === "server") return new Response("", { status: 502 });
      if (fault === "refused") throw new TypeError("refused");
      return send();
    });
    const stored = await bucket.upload("shaky", content);

    equal([faults, stored.size, await same("shaky", content)], [[], content.length, true]);
  });

  claim("an upload ends when nothing gets through, and continues in the next page with the same file", async () => {
    const kept = new Map();
    const storage = { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value), removeItem: (name) => kept.delete(name) };
    let [parts, sent] = [0, 0];
    const file = new File([content], "large.bin", { type: "a/b", lastModified: 7 });
    const offline = await through(async (_, init, send) => {
      if (init.method === "PATCH" && ++parts === 2) throw new TypeError("offline");
      return send();
    }, { storage });
    await refusal(offline.upload("reloaded", file, { retries: 0 }), "network");
    equal(await mine.find("reloaded"), null);
    equal([...kept.keys()].filter((name) => name.startsWith("bunbase.upload.")).length, 1);

    const seen = [];
    const again = await through(async (_, init, send) => {
      if (init.method === "PATCH") sent += init.body.size;
      return send();
    }, { storage });
    await again.upload("reloaded", new File([content], "large.bin", { type: "a/b", lastModified: 7 }), { onProgress: (progress) => seen.push(progress.sent) });

    equal([sent, seen[0], await same("reloaded", content)], [content.length - PART, PART, true]);
    equal([...kept.keys()].filter((name) => name.startsWith("bunbase.upload.")), []);
  });

  claim("a kept upload is continued only with the same options, and never if it is finished", async () => {
    const kept = new Map();
    const storage = { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value), removeItem: (name) => kept.delete(name) };
    const file = new File([content], "options.bin", { type: "a/b", lastModified: 7 });
    const offline = await through(async (_, init, send) => {
      if (init.method === "PATCH") throw new TypeError("offline");
      return send();
    }, { storage });
    const online = await through((_, init, send) => send(), { storage });
    await refusal(offline.upload("options", file, { retries: 0 }), "network");
    await mine.upload("options", "taken");
    await refusal(online.upload("options", file, { ifAbsent: true }), "object_changed");
    await refusal(offline.upload("options", file, { retries: 0, metadata: { version: "1" } }), "network");
    equal((await online.upload("options", file, { metadata: { version: "2" } })).metadata, { version: "2" });
    equal(await (await mine.download("options")).bytes().then((bytes) => bytes.length), content.length);

    kept.clear();
    const closed = await through(async (_, init, send) => {
      const answer = await send();
      if (init.method === "PATCH" && init.headers["Upload-Offset"] !== "0") kept.set("closed", JSON.stringify([...kept]));
      return answer;
    }, { storage });
    await closed.upload("closed", file);
    for (const [name, value] of JSON.parse(kept.get("closed"))) kept.set(name, value);
    await mine.remove("closed");
    await online.upload("closed", file);
    equal(await same("closed", content), true);
  });

  claim("a stream is never continued with other bytes if the server has lost some", async () => {
    let lost = false;
    const bucket = await through(async (path, init, send) => {
      if (init.method === "PATCH" && init.headers["Upload-Offset"] === String(PART) && !lost) {
        lost = true;
        throw new TypeError("cut");
      }
      if (lost && init.method === "GET") return Response.json({ offset: 1_000_000, finished: false, object: null });
      return send();
    });
    const error = await bucket.upload("rewound", new Blob([content]).stream()).catch((found) => found);
    equal([lost, error instanceof TypeError, await mine.find("rewound")], [true, true, null]);
  });

  claim("a stream of unknown size is stored, small or large, also if its connection breaks", async () => {
    const streamed = (size, piece) => {
      let at = 0;
      return new ReadableStream({
        pull(controller) {
          if (at >= size) return controller.close();
          controller.enqueue(content.slice(at, Math.min(at + piece, size)));
          at += piece;
        },
      });
    };
    async function* pieces() {
      yield content.slice(0, 5);
      yield content.slice(5, 9);
    }
    let cuts = 0;
    const bucket = await through(async (path, init, send) => {
      if (init.method !== "PATCH" || cuts++) return send();
      await fetch(url + path, cutChunk(init, 1_000_001));
      throw new TypeError("cut");
    });
    const totals = [];
    await bucket.upload("stream-large", streamed(content.length, 700_001), { onProgress: ({ total }) => totals.push(total) });
    await bucket.upload("stream-exact", streamed(PART, 1 << 20));
    await bucket.upload("stream-small", streamed(1000, 300));
    await bucket.upload("stream-empty", streamed(0, 1));
    await bucket.upload("pieces", pieces());

    equal([await same("stream-large", content), totals[0]], [true, undefined]);
    equal([await same("stream-exact", content.subarray(0, PART)), await same("stream-small", content.subarray(0, 1000))], [true, true]);
    equal([await same("stream-empty", content.subarray(0, 0)), await same("pieces", content.subarray(0, 9))], [true, true]);
    let ended = false;
    const failing = new ReadableStream({ start: (controller) => controller.enqueue("text"), cancel: () => void (ended = true) });
    await mine.upload("wrong", failing).then(() => equal("stored", "refused"), () => {});
    equal([ended, await mine.find("wrong")], [true, null]);
  });

  claim("a refused upload ends with the code of the server, and conditions hold", async () => {
    await refusal(mine.upload("too-large", new Blob([content, content, content])), "object_too_large");
    await mine.upload("taken", "1");
    await refusal(mine.upload("taken", content, { ifAbsent: true }), "object_changed");
    const other = createClient(url, key, { storage: null });
    await refusal(other.files.bucket(mine.name).upload("other", content), "rule_denied");
    equal(await (await mine.download("taken")).text(), "1");
  });

  claim("a signal ends an upload in parts, and a restart of it succeeds", async () => {
    const ending = new AbortController();
    const upload = mine.upload("aborted", content, { signal: ending.signal, onProgress: ({ sent }) => sent && ending.abort() });
    await refusal(upload, "aborted");
    equal(await mine.find("aborted"), null);
    await mine.upload("aborted", content);
    equal(await same("aborted", content), true);
  });

  claim("an upload that the app aborts ends on the server, and a signal of another call ends nothing", async () => {
    const kept = new Map();
    const storage = { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value), removeItem: (name) => kept.delete(name) };
    const [ending, ended] = [new AbortController(), []];
    const watched = await through(async (path, init, send) => {
      const answer = await send();
      if (init.method === "DELETE") ended.push([path.startsWith("/v1/storage/tus/tus-"), answer.status, init.keepalive]);
      return answer;
    }, { storage });
    const file = new File([content], "ended.bin", { type: "a/b", lastModified: 7 });
    const upload = watched.upload("ended", file, { signal: ending.signal, onProgress: ({ sent }) => sent && ending.abort() });
    await refusal(upload, "aborted");

    const deadline = Date.now() + 20_000;
    while (ended.at(-1)?.[1] !== 204 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
    equal(ended.at(-1), [true, 204, true]);
    equal([...kept.keys()].filter((name) => name.startsWith("bunbase.upload.")), []);
    const seen = [];
    await watched.upload("ended", file, { onProgress: ({ sent }) => seen.push(sent) });
    equal([seen[0], await same("ended", content)], [0, true]);
  });
}
