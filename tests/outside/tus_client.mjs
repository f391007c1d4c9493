/** Uploads one file with tus-js-client: `tus_client.mjs <folder with node_modules> <request as JSON>`. */

import { createReadStream } from "node:fs";
import { createRequire } from "node:module";
import { PassThrough } from "node:stream";

const [folder, asked] = process.argv.slice(2);
const { Upload } = createRequire(`${folder}/`)("tus-js-client");
const { url, key, file, bucket, name, chunk, size, more } = JSON.parse(asked);

// With `uploadLengthDeferred`, tus-js-client 4.3.1 promises a whole chunk (Content-Length) also where the rest of a file
// is smaller, and waits. It does not know the size of a stream that is no file. If such a stream ends exactly with a
// chunk, the client waits for more bytes and never announces the length, so a chunk has one byte more here.
const content = more === "defer" ? createReadStream(file).pipe(new PassThrough()) : createReadStream(file);
await new Promise((resolve, reject) => {
  const length = more === "defer" ? { uploadLengthDeferred: true, chunkSize: (chunk || size) + 1 } : { uploadSize: size, chunkSize: chunk || Infinity };
  const upload = new Upload(content, {
    endpoint: `${url}/v1/storage/tus`,
    headers: { "X-Bunbase-Key": key },
    metadata: { bucket, key: name, filetype: "application/x-test" },
    retryDelays: Array.from({ length: 20 }, () => 50),
    ...length,
    onError: reject,
    onSuccess: resolve,
  });
  upload.start();
});
// A package of tus-js-client sets the exit code to 0 also if Node stops while the promise above still waits.
process.stdout.write("complete\n");
process.exit(0); // a stream that was read to its end can still be open
