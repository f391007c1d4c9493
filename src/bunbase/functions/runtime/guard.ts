/**
 * The guard: throws a clear error when a function uses a feature that the sandbox denies.
 *
 * Without the guard, the kernel would deny the same features with only EACCES. The guard is not a security boundary,
 * because Landlock and seccomp (sandbox/) deny these features anyway. So the guard may be incomplete, but it must not
 * break packages: importing node:fs works, but calling its functions throws.
 */

import { keepFetch } from "./network.ts";
import { clientModule } from "./node_http.ts";
import { substituteOf } from "./substitutes.ts";
import { BUN_MEMBERS, type Denied, GLOBALS, MODULES, PROCESS_MEMBERS } from "./guarded.ts";

type Members = Record<string, unknown>;
type Callable = (...values: unknown[]) => unknown;

export class SecurityError extends Error {
  override readonly name = "SecurityError";
  readonly code = "ERR_BUNBASE_SANDBOX";

  constructor(what: string, member: string) {
    super(`${what} is not available in functions (${member}); see docs/functions.md#sandbox`);
  }
}

const native = process.getBuiltinModule;
const nativeFetch = globalThis.fetch;
const known = new Map<string, unknown>();
const inertMethods = new WeakSet<Callable>();
let constructing = 0; // This many constructors of inert classes run now, one inside of the other.

/** Returns a built-in module with its denied members replaced, or undefined if no module has this name. */
export function guardedModule(name: string): unknown {
  const short = name.replace(/^node:/, "");
  if (!known.has(short)) known.set(short, clientModule(short) ?? builtin(short, name));
  return known.get(short);
}

/** Replaces the denied members of globals, `Bun` and `process`. Called once, just before a bundle is evaluated. */
export function raiseGuard(): void {
  for (const name of Object.getOwnPropertyNames(Bun)) {
    if (!BUN_MEMBERS.has(name)) replace(Bun, name, denied("this part of Bun", `Bun.${name}`));
  }
  for (const name of PROCESS_MEMBERS) {
    if (name in process) replace(process, name, denied("control over processes", `process.${name}`));
  }
  for (const [name, what] of Object.entries(GLOBALS)) {
    if (name in globalThis) replace(globalThis, name, denied(what, name));
  }
  replace(process, "getBuiltinModule", guardedModule);
  // Otherwise installFetch has already set a fetch.
  if (globalThis.fetch === nativeFetch) replace(globalThis, "fetch", fetchWithin);
  keepFetch();
}

/** A fetch without a network. This fetch accepts only URLs that contain their own data (`data:` and `blob:`). */
async function fetchWithin(...request: Parameters<typeof fetch>): Promise<Response> {
  const { protocol } = new URL(request[0] instanceof Request ? request[0].url : String(request[0]));
  if (protocol !== "data:" && protocol !== "blob:") throw new SecurityError("network access", "fetch");
  return nativeFetch(...request);
}

function builtin(short: string, name: string): unknown {
  return substituteOf(short, made(short, native.call(process, name)));
}

function made(name: string, real: unknown): unknown {
  const rule = MODULES[name];
  if (rule === undefined || real === undefined) return real;
  const copy = walled(real as Members, name, rule, name.endsWith("/promises"));
  if (name === "module") copy["createRequire"] = () => guardedRequire;
  return typeof real === "function" ? asClass(denied(rule.what, name, real as Callable), copy) : copy;
}

/** The `require` of a bundle. */
export function guardedRequire(name: string): unknown {
  const found = guardedModule(name);
  if (found === undefined) throw new Error(`Module not found: ${name}. A function is one file: bundle its imports.`);
  return found;
}

/** Returns a module that is itself a class, such as `ws`, with its members. */
function asClass(made: Callable, members: Members): Callable {
  for (const [name, value] of Object.entries(members)) {
    if (name === "prototype") continue;
    Object.defineProperty(made, name, { value, writable: true, configurable: true, enumerable: true });
  }
  return Object.assign(made, { default: made });
}

/**
 * Returns the name, because packages such as jsdom resolve names of their own files while they load. If a package then
 * requires such a file, `guardedRequire` throws.
 */
guardedRequire.resolve = (name: string): string => name;

function walled(real: Members, path: string, rule: Denied, rejects: boolean): Members {
  const copy: Members = {};
  for (const name of Object.getOwnPropertyNames(real)) {
    if (name === "default") continue;
    const member = `${path}.${name}`;
    const value = rule.fixed?.[name] ?? real[name];
    const acts = rule.inert?.[name];
    const stays = rule.only === undefined ? rule.keep?.includes(name) : !rule.only.includes(name);
    if (acts !== undefined) copy[name] = inert(rule.what, member, value as Callable, acts, rejects);
    else if (stays || name in (rule.fixed ?? {})) copy[name] = value;
    else if (typeof value === "function") copy[name] = denied(rule.what, member, value as Callable, rejects);
    else if (name === "promises") copy[name] = walled(value as Members, member, rule, true);
    else copy[name] = value;
  }
  copy["default"] = copy;
  return copy;
}

/**
 * Returns a replacement of `real` that throws when called. Packages can still extend the replacement and read its
 * members.
 */
function denied(what: string, member: string, real?: Callable, rejects = false): Callable {
  const stub = function (): unknown {
    const error = new SecurityError(what, member);
    if (rejects) return Promise.reject(error);
    throw error;
  };
  if (real?.prototype !== undefined) stub.prototype = real.prototype as object;
  for (const name of Object.keys(real ?? {})) {
    const value = (real as unknown as Members)[name];
    if (typeof value === "function") Object.assign(stub, { [name]: denied(what, `${member}.${name}`) });
  }
  return stub;
}

/** Returns a class that can be constructed and extended. The methods of the class with names in `acts` throw. */
function inert(what: string, member: string, real: Callable, acts: RegExp, rejects: boolean): Callable {
  const prototype = real.prototype as Members;
  for (const name of methodsOf(prototype)) {
    if (acts.test(name)) denyMethod(prototype, name, denied(what, `${member}.${name}`, undefined, rejects));
  }
  const made = function (...given: unknown[]): unknown {
    if (hasHandle(given[0])) throw new SecurityError(what, member);
    constructing += 1;
    try {
      return Reflect.construct(real, given, new.target ?? made);
    } finally {
      constructing -= 1;
    }
  };
  made.prototype = prototype;
  return made;
}

/** Returns the names of the methods of a class and of the class that it extends. */
function methodsOf(prototype: object): string[] {
  return [prototype, Object.getPrototypeOf(prototype) as object].flatMap(Object.getOwnPropertyNames);
}

/**
 * Replaces a method. Inside of a constructor, the original method runs, because Bun connects a TLSSocket to its stream
 * there.
 */
function denyMethod(prototype: Members, name: string, deny: Callable): void {
  const real = prototype[name] as Callable;
  if (inertMethods.has(real)) return; // net.Stream is the same class as net.Socket, and a TLSSocket inherits from it.
  const method = function (this: unknown, ...given: unknown[]): unknown {
    return constructing > 0 ? Reflect.apply(real, this, given) : deny();
  };
  inertMethods.add(method);
  replace(prototype, name, method);
}

/** True for options that name an open descriptor. */
function hasHandle(options: unknown): boolean {
  return typeof options === "object" && options !== null && ("fd" in options || "handle" in options);
}

function replace(owner: object, name: string, value: unknown): void {
  try {
    (owner as Members)[name] = value;
  } catch {
    // Some members of Bun, such as Bun.fetch, cannot be replaced. For these members, the error comes from the kernel.
  }
}
