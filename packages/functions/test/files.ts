/** Functions with files. The test passes if this file compiles. */

import type { FileChange, FileChangeBatch, Handler } from "../index.d.ts";

export const upload: Handler = async (request, { files, as, caller }) => {
  const bucket = files.bucket("photos");
  const stored = await bucket.put("a.jpg", request.body, { contentType: "image/jpeg", metadata: { by: "ada" }, ifAbsent: true });
  const { stream, info, start } = await as(caller).files.bucket("photos").get(stored.key, { range: { start: -10 } });
  const { items, next } = await bucket.list({ prefix: "a", delimiter: "/" });
  await bucket.move("a.jpg", "b.jpg", { bucket: "archive", overwrite: false });
  const links = await Promise.all(items.map(({ key }) => bucket.sign(key, { method: "GET", expiresIn: 60 })));
  const failed = (await bucket.deleteMany(["a", "b"])).filter(({ deleted }) => !deleted).map(({ code }) => code);
  if (next !== null || start > 0) return { owner: info.owner, path: links[0]?.path, failed };
  return new Response(stream, { headers: { "content-type": info.content_type } });
};

export const follow: Handler = async (request, { files }) => {
  const { op, bucket, key } = (await request.json()) as FileChange;
  return op === "delete" ? null : (await files.bucket(bucket).get(key)).json<{ n: number }>();
};

export const followMany: Handler = async (request) => {
  const { events } = (await request.json()) as FileChangeBatch;
  return events.map(({ job, size }) => [job, size]);
};

// @ts-expect-error: metadata is an object of strings
export const numbers: Handler = (_, { files }) => files.bucket("photos").put("a", "", { metadata: { n: 1 } });

// @ts-expect-error: an object is no content of a file
export const object: Handler = (_, { files }) => files.bucket("photos").put("a", { n: 1 });
