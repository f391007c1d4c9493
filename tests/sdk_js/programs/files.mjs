/**
 * Files of an app, against a running BunBase, or with `memory` against the server in memory of `bunbase-js/testing`. The
 * same program runs in every runtime, so that both servers answer in the same way. Only rules are missing in memory.
 */

import { equal, refusal } from "./harness.mjs";

const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAEAAAAAgCAIAAAAt/+nTAAAACXBIWXMAAAPoAAAD6AG1e1JrAAAANElEQVRYw+3PMQ0AAAwDoPpXVlnVsHMJOCB9LgICAgICAgICAgICAgICAgICAgICAgICVwNZd8EPqOIPuQAAAABJRU5ErkJggg=="; // 64 x 32 pixels

const KEYS = ["plain.txt", "a b/ü+%?#&~é.txt", "a//b", "/a", "a/", "a/../b", "./x", "..x", "%2E", "%", "a+b", "日本/写真.jpg"];

export async function add(claim, { load, url, key, run, memory }) {
  const { createClient, Problem } = await load("index");
  const { createAuth } = await load("auth/index");
  const { createFiles } = await load("files/index");

  const { createTestServer } = await load("testing/index");
  const buckets = { [`mine-${run}`]: { max_bytes: 20_000_000 }, [`open-${run}`]: { public: true }, [`pictures-${run}`]: { max_bytes: 100, mime: ["image/*"] } };
  const fetch = memory ? createTestServer({}, buckets).fetch : globalThis.fetch;
  const options = { storage: null, ...(memory && { fetch }) };
  const client = createClient(url, key, options);
  await client.auth.signUp({ email: `f${run}@example.com`, password: "apples and pears" });
  const mine = client.files.bucket(`mine-${run}`);
  const bytes = (count, salt = 0) => Uint8Array.from({ length: count }, (_, n) => (n * 7 + salt + (n >> 8)) & 255);

  claim("a file is stored with its properties, and comes back as bytes, text, Blob and stream", async () => {
    const stored = await mine.upload("hello.txt", "Hällo", { contentType: "text/plain", metadata: { title: "Größe 😀" }, cacheControl: "max-age=60" });
    const { info, stream } = await mine.download("hello.txt");
    const chunks = [];
    for (const reader = stream.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(...value);
    }
    const blob = await (await mine.download("hello.txt")).blob();

    equal([stored.size, stored.owner, stored.bucket, stored.metadata], [6, client.auth.user.id, mine.name, { title: "Größe 😀" }]);
    equal([info.etag, info.size, info.metadata, info.content_type], [stored.etag, 6, stored.metadata, "text/plain"]);
    equal(new TextDecoder().decode(Uint8Array.from(chunks)), "Hällo");
    // Bun adds the charset to the type of a Blob
    equal([blob.size, blob.type.split(";")[0], await (await mine.download("hello.txt")).text()], [6, "text/plain", "Hällo"]);
  });

  claim("every kind of content is stored as its bytes, and an empty one too", async () => {
    const whole = bytes(70_000);
    const contents = [whole, whole.buffer, new DataView(whole.buffer), new Blob([whole], { type: "image/x-test" })];
    for (const [n, content] of contents.entries()) {
      await mine.upload(`kind-${n}`, content);
      equal((await (await mine.download(`kind-${n}`)).bytes()).join() === whole.join(), true);
    }
    equal((await mine.head("kind-3")).content_type, "image/x-test");
    await mine.upload("view", new Uint8Array(whole.buffer, 10, 5));
    equal([...(await (await mine.download("view")).bytes())], [...whole.subarray(10, 15)]);
    equal((await mine.upload("empty", "")).size, 0);
    equal(await (await mine.download("empty")).text(), "");
    await refusal(mine.upload("bad", 42), "invalid_value");
    await refusal(mine.upload("bad", null), "invalid_value");
  });

  claim("every key comes back as it was, from upload, head, list, copy, move and removal", async () => {
    for (const name of KEYS) {
      const at = `k/${name}`;
      await mine.upload(at, name);
      equal([(await mine.head(at)).key, await (await mine.download(at)).text()], [at, name]);
      await mine.copy(at, `copy/${name}`);
      await mine.move(`copy/${name}`, `moved/${name}`);
      await mine.remove(`moved/${name}`);
    }
    const listed = [];
    for await (const { key } of mine.all({ prefix: "k/", limit: 5 })) listed.push(key);
    equal(listed.sort(), KEYS.map((name) => `k/${name}`).sort());
    equal([(await mine.list({ prefix: "copy/" })).items, (await mine.list({ prefix: "moved/" })).items], [[], []]);
    for (const wrong of [".", "..", "", "%2e", "a\ud800", "a\0", undefined]) await refusal(mine.head(wrong), "invalid_value");
  });

  claim("a range has exactly its bytes", async () => {
    const whole = bytes(200_000, 3);
    await mine.upload("ranges", whole);
    for (const [start, end] of [[0, 1], [65_535, 65_537], [199_999, undefined], [-10, undefined], [0, 200_000], [100, 500_000]]) {
      const found = await mine.download("ranges", { range: { start, end } });
      equal([[...(await found.bytes())].join(), found.info.size], [[...whole.slice(start, end)].join(), 200_000]);
    }
    await refusal(mine.download("ranges", { range: { start: 200_000 } }), "range_not_satisfiable");
    for (const range of [{ start: 5, end: 5 }, { start: 1.5 }, { start: -5, end: 3 }, {}]) await refusal(mine.download("ranges", { range }), "invalid_value");
  });

  claim("conditions protect the work of others, and a misspelt one is refused", async () => {
    const first = await mine.upload("once", "1", { ifAbsent: true });
    await refusal(mine.upload("once", "2", { ifAbsent: true }), "object_changed");
    const second = await mine.upload("once", "2", { ifMatch: first.etag });
    await refusal(mine.upload("once", "3", { ifMatch: first.etag }), "object_changed");
    await refusal(mine.remove("once", { ifMatch: first.etag }), "object_changed");
    await refusal(mine.copy("hello.txt", "once", { overwrite: false }), "object_changed");
    await refusal(mine.upload("once", "4", { ifabsent: true }), "invalid_value");
    await refusal(mine.download("once", { Range: "x" }), "invalid_value");
    await refusal(mine.list({ perfix: "x" }), "invalid_value");

    equal(await (await mine.download("once")).text(), "2");
    await mine.remove("once", { ifMatch: second.etag });
    equal(await mine.find("once"), null);
    await refusal(mine.remove("once"), "object_not_found");
  });

  claim("folders are listed, and many files are removed at once", async () => {
    for (const at of ["f/a", "f/b/1", "f/b/2", "f/c/1"]) await mine.upload(at, at);
    const { items, prefixes, next } = await mine.list({ prefix: "f/", delimiter: "/" });
    const removed = await mine.removeMany(["f/a", "f/b/1", "never"]);

    equal([items.map(({ key }) => key), prefixes, next], [["f/a"], ["f/b/", "f/c/"], null]);
    equal(removed, ["f/a", "f/b/1", "never"].map((key) => ({ key, deleted: true })));
  });

  claim("a list has its pages in the order of the bytes of the keys, also of groups", async () => {
    const keys = ["o/é", "o/z", "o/a/1", "o/a/2", "o/😀", "o/\uffee", "o/b/1", "o/c"];
    for (const at of keys) await mine.upload(at, at);
    const seen = [];
    for (let cursor = null; ; ) {
      const { items, prefixes, next } = await mine.list({ prefix: "o/", delimiter: "/", limit: 2, cursor });
      seen.push([items.map(({ key }) => key), prefixes]);
      cursor = next;
      if (next === null) break;
    }
    const paged = [];
    for await (const { key } of mine.all({ prefix: "o/", limit: 3 })) paged.push(key);

    equal(seen.map(([items, prefixes]) => items.length + prefixes.length <= 2), seen.map(() => true));
    equal([seen.flatMap(([items]) => items), seen.flatMap(([, prefixes]) => prefixes)], [["o/c", "o/z", "o/é", "o/\uffee", "o/😀"], ["o/a/", "o/b/"]]);
    equal(paged, ["o/a/1", "o/a/2", "o/b/1", "o/c", "o/z", "o/é", "o/\uffee", "o/😀"]);
    for (const limit of [0, 501, 1.5]) await refusal(mine.list({ limit }), "invalid_input");
  });

  claim("a bucket refuses files that are too large or have another type, whole and in parts", async () => {
    const pictures = client.files.bucket(`pictures-${run}`);
    const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0);
    for (const resumable of [false, true]) {
      await refusal(pictures.upload("a", bytes(101), { contentType: "image/png", resumable }), "object_too_large");
      await refusal(pictures.upload("a", "text", { contentType: "text/plain", resumable }), "content_type_refused");
      await pictures.upload("a", png, { contentType: "image/png", resumable });
    }
    equal((await pictures.list()).items.map(({ size }) => size), [png.length]);
  });

  claim("an upload in parts has the same properties, conditions and progress as a whole one", async () => {
    const seen = [];
    const small = { resumable: true, contentType: "text/plain", metadata: { title: "é" }, onProgress: ({ sent, total }) => seen.push([sent, total]) };
    const stored = await mine.upload("parts", "in parts", small);
    await refusal(mine.upload("parts", "again", { resumable: true, ifAbsent: true }), "object_changed");
    async function* stream() {
      yield bytes(9_000_000);
      yield bytes(10);
    }
    const long = await mine.upload("stream", stream());

    equal([stored.size, stored.content_type, stored.metadata, stored.owner], [8, "text/plain", { title: "é" }, client.auth.user.id]);
    equal([seen[0], seen.at(-1)], [[0, 8], [8, 8]]);
    equal([long.size, (await mine.head("stream")).etag, await (await mine.download("parts")).text()], [9_000_010, long.etag, "in parts"]);
  });

  claim("a conditional request is answered with 304 or 412, and an answer has the headers of a file", async () => {
    const open = client.files.bucket(`open-${run}`);
    const { etag } = await open.upload("conditional", "0123456789", { contentType: "image/png", cacheControl: "max-age=60" });
    const get = (headers) => fetch(open.url("conditional"), { headers, cache: "no-store" });
    const same = await get({ "If-None-Match": `"${etag}"` });
    const other = await get({ "If-Match": '"other"' });
    const part = await get({ Range: "bytes=2-4" });
    const answers = [];
    for (const one of [same, other, part]) answers.push([one.status, await one.text()]);

    equal(etag, "781e5e245d69b566979b86e28d23f2c7");
    equal([answers[0], answers[1][0], answers[2]], [[304, ""], 412, [206, "234"]]);
    equal(JSON.parse(answers[1][1]).code, "object_changed");
    equal(part.headers.get("Cache-Control"), "public, max-age=60");
    equal((await get({ Range: "bytes=10-" })).status, 416);
  });

  claim("another user sees nothing, and a refusal has the code of the server", async () => {
    const other = createClient(url, key, options);
    const theirs = other.files.bucket(mine.name);
    if (!memory) await refusal(theirs.upload("x", "x"), "rule_denied");
    await other.auth.signUp({ email: `g${run}@example.com`, password: "apples and pears" });

    const missing = await refusal(theirs.head(memory ? "missing" : "hello.txt"), "object_not_found");
    await refusal(theirs.download(memory ? "missing" : "hello.txt"), "object_not_found");
    if (!memory) await refusal(theirs.upload("hello.txt", "mine"), "rule_denied");
    await refusal(other.files.bucket("none-here").upload("x", "x"), "bucket_not_found");
    equal([missing.status, Problem.is(missing, "object_not_found"), typeof missing.requestId], [404, true, "string"]);
    if (!memory) equal((await theirs.list()).items, []);
  });

  claim("the address of a public file works without the client", async () => {
    const open = client.files.bucket(`open-${run}`);
    await open.upload("a b/ü.txt", "public");
    equal(await (await fetch(open.url("a b/ü.txt"))).text(), "public");
  });

  claim("a variant of an image has another size and format", async () => {
    const open = client.files.bucket(`open-${run}`);
    await open.upload("rye.png", Uint8Array.from(atob(PNG), (one) => one.charCodeAt(0)), { contentType: "image/png" });
    if (memory) return refusal(open.download("rye.png", { transform: { width: 16 } }), "invalid_query"); // it makes no variants
    const { info } = await open.download("rye.png", { transform: { width: 16, format: "webp", quality: undefined } });
    equal([info.content_type, info.size > 0], ["image/webp", true]);
    const bytes = new Uint8Array(await (await fetch(open.url("rye.png", { transform: { height: 16, format: "png" } }))).arrayBuffer());
    equal([...bytes.subarray(16, 24)], [0, 0, 0, 32, 0, 0, 0, 16]); // the width and height of a PNG
    await refusal(open.download("a b/ü.txt", { transform: { width: 16 } }), "not_an_image");
  });

  claim("the entry for files alone acts as the user of auth", async () => {
    const auth = createAuth(url, key, options);
    await auth.signIn({ email: `f${run}@example.com`, password: "apples and pears" });
    equal(await (await createFiles(url, key, { ...options, auth }).bucket(mine.name).download("hello.txt")).text(), "Hällo");
  });

  claim("a download that breaks continues at the same byte, and never mixes two versions", async () => {
    const whole = bytes(300_000, 5);
    await mine.upload("broken", whole);
    let [cuts, replace] = [0, false];
    /** Ends each answer after 100,000 bytes. */
    const cutting = async (address, init) => {
      const answer = await fetch(address, init);
      if (init.method !== "GET" || !answer.body) return answer;
      let left = 100_000;
      const reader = answer.body.getReader();
      const body = new ReadableStream({
        async pull(controller) {
          const { done, value } = await reader.read();
          if (done) return controller.close();
          controller.enqueue(value.subarray(0, left));
          left -= value.length;
          if (left > 0) return;
          cuts++;
          await reader.cancel();
          if (replace) await mine.upload("broken", "other");
          controller.error(new TypeError("cut"));
        },
      });
      return new Response(body, { status: answer.status, headers: answer.headers });
    };
    const shaky = createClient(url, key, { storage: null, fetch: cutting });
    await shaky.auth.signIn({ email: `f${run}@example.com`, password: "apples and pears" });
    const file = await shaky.files.bucket(mine.name).download("broken");

    equal((await file.bytes()).join() === whole.join(), true);
    equal(cuts >= 2, true);
    replace = true;
    await refusal((await shaky.files.bucket(mine.name).download("broken")).bytes(), "object_changed");
  });

  claim("a signal ends an upload, and a download that runs", async () => {
    const ending = new AbortController();
    const upload = mine.upload("aborted", bytes(5_000_000), { signal: ending.signal });
    ending.abort();
    await refusal(upload, "aborted");
    await mine.upload("long", bytes(4_000_000));
    const stopping = new AbortController();
    const { stream } = await mine.download("long", { signal: stopping.signal });
    const reader = stream.getReader();
    await reader.read();
    stopping.abort();
    await refusal((async () => { while (!(await reader.read()).done); })(), "aborted");
    await refusal(mine.upload("aborted", "x", { signal: stopping.signal }), "aborted");

    equal(await mine.find("aborted"), null);
  });
}
