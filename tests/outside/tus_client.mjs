/** Uploads one file with tus-js-client: `tus_client.mjs <folder with node_modules> <request as JSON>`. */

import { createReadStream } from "node:fs";
import { createRequire } from "node:module";

const [folder, asked] = process.argv.slice(2);
const { Upload } = createRequire(`${folder}/`)("tus-js-client");
const { url, key, file, bucket, name, chunk, size, more } = JSON.parse(asked);

await new Promise((resolve, reject) => {
  const length = more === "defer" ? { uploadLengthDeferred: true, chunkSize: chunk || size || 1 } : { uploadSize: size, chunkSize: chunk || Infinity };
  const upload = new Upload(createReadStream(file), {
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
process.exit(0); // a stream that was read to its end can still be open
