/**
 * Exports and imports that are sent in parts. With 50,000 lines, only a small part is in memory: then it needs `node
 * --expose-gc`.
 */

import { equal, refusal } from "../../sdk_js/programs/harness.mjs";

const TEXT = "x".repeat(2000);
const SECONDS = 280; // 50,000 lines are 100 MB, and took more than a minute on a busy machine of two cores.
// At most this many bytes are in use. All lines together have more, and a client that kept the lines would have them in
// memory several times.
const MOST = 64 << 20;

export async function add(claim, { load, url, secret, lines: count }) {
  const { createAdmin } = await load("admin");
  const admin = createAdmin(url, secret);
  const all = Number(count);
  const wrong = all - 1000;
  let highest = 0;

  function used() {
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  }

  function* lines(start) {
    for (let n = 0; n < all; n++) {
      if (n % 5000 === 4999) highest = Math.max(highest, used() - start);
      const parent = n === 0 ? `l${all - 1}` : undefined; // The parent is a document of the last part.
      yield { _id: `l${n}`, n: n === wrong ? "wrong" : n, text: TEXT, parent };
    }
  }

  claim("many lines are imported, never in memory at once, and a line may refer to a later part", async () => {
    const schema = { properties: { n: { type: "number" }, parent: { type: "string", "x-ref": "many" } } };
    await admin.collections.put("many", { schema });
    const errors = [];
    const done = await admin.import(lines(used()), { collection: "many", onError: (error) => errors.push(error) });
    equal([done.imported, done.failed, done.last_line, done.unresolved], [all - 1, 1, all, []]);
    equal(errors.map(({ line, code }) => [line, code]), [[wrong + 1, "invalid_document"]]);
    if (globalThis.gc && highest > MOST) throw new Error(`${highest} bytes were in use`);
  }, SECONDS);

  claim("many lines are exported, and never in memory at once", async () => {
    const start = used();
    let [found, bytes, pieces, most] = [0, 0, 0, 0];
    for await (const piece of await admin.export({ collection: "many" })) {
      for (const byte of piece) if (byte === 10) found++;
      bytes += piece.length;
      if (pieces++ % 200 === 0) most = Math.max(most, used() - start);
    }
    equal([found, bytes > (all - 1) * TEXT.length], [all - 1, true]);
    if (globalThis.gc && most > MOST) throw new Error(`${most} bytes were in use`);
  }, SECONDS);

  claim("an import that stops names its last line, and continues after it", async () => {
    let parts = 0;
    const failing = async (address, init) => {
      if (String(address).includes("/import") && ++parts > 1) throw new TypeError("no network");
      return fetch(address, init);
    };
    // The client sends these lines in two parts.
    const some = Array.from({ length: 3000 }, (_, n) => JSON.stringify({ _id: `l${n}`, text: TEXT })).join("\n");
    const options = { collection: "many", mode: "skip", retries: 0 };
    const problem = await refusal(createAdmin(url, secret, { fetch: failing }).import(some, options), "network");
    const last = problem.body.last_line;
    equal([last > 1500 && last < 3000, problem.message.includes(`fromLine ${last + 1}`)], [true, true]);
    const rest = await admin.import(some, { ...options, fromLine: last + 1 });
    equal([rest.skipped, rest.last_line], [3000 - last, 3000]);
  });
}
