/**
 * Runs a program in workerd, once for each request: `in_workerd.mjs <program> <bundles> <environment>`, in the folder
 * of miniflare.
 */

import { build } from "esbuild";
import { createRequire } from "node:module";

const [program, bundles, environment, runtimes] = process.argv.slice(2);
const { Miniflare } = createRequire(`${runtimes}/`)("miniflare");
const here = new URL(".", import.meta.url).pathname;
const worker = `
  import { Claims } from ${JSON.stringify(`${here}harness.mjs`)};
  import { add } from ${JSON.stringify(`${here}${program}.mjs`)};
  import * as index from ${JSON.stringify(`${bundles}/index.js`)};
  import * as auth from ${JSON.stringify(`${bundles}/auth/index.js`)};
  import * as data from ${JSON.stringify(`${bundles}/data/index.js`)};
  import * as functions from ${JSON.stringify(`${bundles}/functions/index.js`)};
  const entries = { index, "auth/index": auth, "data/index": data, "functions/index": functions };
  const environment = ${environment};
  // This client is made outside of a request, where no I/O may happen.
  const shared = index.createClient(environment.url, environment.key);
  export default {
    async fetch(request) {
      if (new URL(request.url).pathname === "/shared") {
        const problem = await shared.data.collection("posts").create({}).catch((error) => error);
        return new Response(problem.code);
      }
      const claims = new Claims();
      await add(claims.claim, { load: async (name) => entries[name], ...environment });
      return Response.json(await claims.checked());
    },
  };
`;
const { outputFiles } = await build({ stdin: { contents: worker, resolveDir: here }, bundle: true, format: "esm", target: "es2022", write: false });
const miniflare = new Miniflare({ modules: true, script: outputFiles[0].text, compatibilityDate: "2026-04-01" });
const shared = await Promise.all([1, 2].map(async () => (await miniflare.dispatchFetch("http://worker/shared")).text()));
if (shared.join() !== "rule_denied,rule_denied") throw new Error(`the shared client answered ${shared}`);
const response = await miniflare.dispatchFetch("http://worker/");
console.log(await response.text());
await miniflare.dispose();
