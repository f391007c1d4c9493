/** Runs the journey in workerd: `in_workerd.mjs <bundle> <environment> <folder of miniflare>`. */

import { build } from "esbuild";
import { createRequire } from "node:module";

const [folder, environment, runtimes] = process.argv.slice(2);
const { Miniflare } = createRequire(`${runtimes}/`)("miniflare");
const here = new URL(".", import.meta.url).pathname;
const worker = `
  import { Claims } from ${JSON.stringify(`${here}../../sdk_js/programs/harness.mjs`)};
  import { add } from ${JSON.stringify(`${here}journey.mjs`)};
  import * as admin from ${JSON.stringify(`${folder}/admin.js`)};
  export default {
    async fetch() {
      const claims = new Claims();
      await add(claims.claim, { load: async () => admin, ...${environment} });
      return Response.json(await claims.checked());
    },
  };
`;
const { outputFiles } = await build({ stdin: { contents: worker, resolveDir: here }, bundle: true, format: "esm", target: "es2022", write: false });
const miniflare = new Miniflare({ modules: true, script: outputFiles[0].text, compatibilityDate: "2026-04-01" });
console.log(await (await miniflare.dispatchFetch("http://worker/")).text());
await miniflare.dispose();
