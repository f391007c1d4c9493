/** Loads a bundle and finds its handler. */

import { Script } from "node:vm";

import { fromBytecode } from "./bytecode.ts";
import type { Handler } from "./context.ts";
import { onlyHooks } from "./hooks.ts";
import { guardedRequire, raiseGuard } from "./guard.ts";
import { FILE, FOLDER, hideInstallation } from "./machine.ts";

const WRAPPED = "// @bun @bun-cjs"; // `bun build --format=cjs` writes this line, and then a function expression.

type CommonJs = (
  exports: object,
  require: (name: string) => unknown,
  module: { exports: unknown },
  filename: string,
  dirname: string,
) => void;

/**
 * `hooks`, `migration`: the exports with these names, or undefined. When the host calls a hook, the worker looks for it
 * in `hooks`.
 */
export type Exported = Readonly<{ handler: Handler; hooks: unknown; migration?: unknown }>;

/**
 * Runs the top level of the bundle and returns its handler and its hooks. Throws the bundle's own error, or an error if
 * the bundle has neither a default export that can be called nor hooks.
 *
 * `guard`: if true, denied modules throw a clear error (guard.ts). The sandbox itself does not depend on the guard.
 * `bytecode`: the bytecode of this code, or empty.
 */
export function loadBundle(code: string, env: Record<string, string>, guard: boolean, bytecode: Uint8Array): Exported {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, env);
  const require = guard ? guardedRequire : builtin;
  // Bun accepts a namespace object here, and Node accepts a module.
  const importModuleDynamically = (name: string) => namespaceOf(require(name)) as never;
  const options = { filename: "function.js", importModuleDynamically };
  const ready = bytecode.length > 0 ? fromBytecode(code, bytecode, options) : undefined;
  const evaluate = (ready ?? new Script(sourceOf(code), options).runInThisContext()) as CommonJs;
  const module: { exports: unknown } = { exports: {} };
  hideInstallation(require);
  if (guard) raiseGuard();
  evaluate(module.exports as object, require, module, FILE, FOLDER);
  const hooks = member(module.exports, "hooks");
  const migration = member(module.exports, "migration");
  return { handler: handlerOf(module.exports, hooks ?? migration), hooks, migration };
}

function sourceOf(code: string): string {
  return code.startsWith(WRAPPED)
    ? code
    : `(function (exports, require, module, __filename, __dirname) {${code}\n})`;
}

function handlerOf(exported: unknown, hooks: unknown): Handler {
  const main = member(exported, "default") ?? exported;
  if (typeof main === "function") return main as Handler;
  const fetch = member(main, "fetch");
  if (typeof fetch === "function") return fetch.bind(main) as Handler;
  if (typeof hooks === "object" && hooks !== null) return onlyHooks;
  throw new Error("The bundle has no default export that is a function: export default (req, ctx) => new Response()");
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function builtin(name: string): unknown {
  const found: unknown = process.getBuiltinModule(name);
  if (found === undefined) throw new Error(`Module not found: ${name}. A function is one file: bundle its imports.`);
  return found;
}

function namespaceOf(found: unknown): object {
  return typeof found === "object" && found !== null ? { ...found, default: found } : { default: found };
}
