/**
 * Bundles modules of an app with the defaults of a bundler for production: `bundle.mjs <bundler> <app> <out> <runtimes>
 * <names>`. `app` is the folder with the modules and `node_modules`, and `runtimes` is the folder with the bundlers.
 * `names` are a list in JSON: `["a", "b/c"]` makes `out/a.js` and `out/b/c.js` from `app/a.js` and `app/b/c.js`. Shared
 * code is in separate files beside these two.
 */

import { transform } from "esbuild";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [bundler, app, out, runtimes, listed] = process.argv.slice(2);
const names = JSON.parse(listed);
const input = Object.fromEntries(names.map((name) => [name, join(app, `${name}.js`)]));
const require = createRequire(`${runtimes}/`);
const load = async (name) => import(pathToFileURL(require.resolve(name)));

const bundlers = {
  async esbuild() {
    const { build } = await import("esbuild");
    await build({ entryPoints: input, outdir: out, bundle: true, splitting: true, minify: true, format: "esm", target: "es2022", logLevel: "warning" });
  },

  async rollup() {
    const [{ rollup }, { nodeResolve }] = [await load("rollup"), await load("@rollup/plugin-node-resolve")];
    const onwarn = ({ message }) => {
      throw new Error(message);
    };
    const build = await rollup({ input, plugins: [nodeResolve({ browser: true })], onwarn });
    const { output } = await build.write({ dir: out, format: "es" });
    await build.close();
    // Rollup leaves this work to a plugin.
    for (const { fileName, code } of output) writeFileSync(join(out, fileName), (await transform(code, { minify: true, format: "esm", target: "es2022" })).code);
  },

  async vite() {
    const { build } = await load("vite");
    const options = { input, preserveEntrySignatures: "strict", output: { entryFileNames: "[name].js" } };
    await build({ root: app, configFile: false, logLevel: "error", build: { outDir: out, rollupOptions: options } });
  },

  async webpack() {
    const webpack = require("webpack");
    const output = { path: out, filename: "[name].js", module: true, library: { type: "module" }, chunkFormat: "module" };
    const options = { mode: "production", context: app, entry: input, output, experiments: { outputModule: true }, target: ["web", "es2022"] };
    const stats = await new Promise((resolve, reject) => webpack(options, (error, made) => (error ? reject(error) : resolve(made))));
    if (stats.hasErrors() || stats.hasWarnings()) throw new Error(stats.toString("errors-warnings"));
  },
};

await bundlers[bundler]();
// This reads each file, so it fails if the bundler did not use the names.
for (const name of names) readFileSync(join(out, `${name}.js`));
