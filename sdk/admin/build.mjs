// Writes dist: esbuild writes one module with its source map, and TypeScript writes the types. The module contains the
// check of webhooks, because the package of this check publishes only sources, for functions. bunbase-js stays a
// dependency.

import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { build } from "esbuild";
import ts from "typescript";

const here = new URL(".", import.meta.url).pathname;
const webhooks = `${here}../../packages/functions/webhooks.ts`;
const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
const run = (...options) => execFileSync(process.execPath, [tsc, ...options], { cwd: here, stdio: "inherit" });

rmSync(`${here}dist`, { recursive: true, force: true });
await build({
  absWorkingDir: here,
  entryPoints: ["src/index.ts"],
  outfile: "dist/index.js",
  bundle: true,
  format: "esm",
  target: "es2022",
  sourcemap: true,
  external: ["bunbase-js", "bunbase-js/*"],
  alias: { "@bunbase/functions/webhooks": webhooks },
  tsconfigRaw: {}, // this ignores the paths of tsconfig.json, because they refer to the sources of bunbase-js
});
run("-p", "../js/tsconfig.build.json");
// the check of types needs this file, but no published type refers to it
const { outputText } = ts.transpileDeclaration(readFileSync(webhooks, "utf8"), { fileName: webhooks });
writeFileSync(`${here}dist/checked_webhooks.d.ts`, outputText);
run("-p", "tsconfig.build.json");
rmSync(`${here}dist/checked_webhooks.d.ts`);
