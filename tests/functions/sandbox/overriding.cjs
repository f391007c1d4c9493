// A bundle that replaces every method of the engine that it can reach with a spy. A spy notes when the runtime passes
// it one of the runtime's own objects: the channel, frames, asks, other calls. `/caught` returns these notes by spy.
const { apply, ownKeys, getOwnPropertyDescriptor: descriptorOf, getPrototypeOf, defineProperty } = Reflect;
const isArray = Array.isArray, U8 = Uint8Array, isView = ArrayBuffer.isView, MapOf = Map, SetOf = Set, Text = String;
const forEachOfMap = Function.prototype.call.bind(Map.prototype.forEach);
const forEachOfSet = Function.prototype.call.bind(Set.prototype.forEach);
const INTERNAL = { Channel: 1, Asks: 1, Ask: 1, Run: 1, FrameReader: 1, Logs: 1, Line: 1, AsyncLocalStorage: 1 };
const FIRST_TYPE = 16, LAST_TYPE = 34;

const caught = { __proto__: null };
let busy = 0;

function isFrame(bytes) {
  if (!isView(bytes) || bytes.length < 9) return false;
  const type = bytes[4];
  return bytes[0] === 0 && type >= FIRST_TYPE && type <= LAST_TYPE && bytes[1] * 65536 + bytes[2] * 256 + bytes[3] + 4 <= bytes.length;
}

function isOurs(value, depth) {
  if (typeof value !== "object" || value === null || depth > 3) return "";
  if (isView(value)) return isFrame(value) ? "a frame" : "";
  try {
    const name = getPrototypeOf(value)?.constructor?.name;
    if (INTERNAL[name]) return name;
    let found = "";
    const look = (one) => { found ||= isOurs(one, depth + 1); };
    if (value instanceof MapOf) forEachOfMap(value, look);
    if (value instanceof SetOf) forEachOfSet(value, look);
    for (const key of ownKeys(value)) {
      const own = descriptorOf(value, key);
      if (own && "value" in own) look(own.value);
      if (found) return found;
    }
    return found;
  } catch { return ""; }
}

function look(where, self, values) { // uses no iterator, because iterators are replaced with spies, too
  if (busy) return;
  busy++;
  try {
    let what = isOurs(self, 0);
    for (let at = 0; at < values.length; at++) what ||= isOurs(values[at], 0);
    if (what) caught[where] = what;
  } finally { busy--; }
}

function spyOn(owner, path) {
  for (const key of ownKeys(owner)) {
    const own = descriptorOf(owner, key);
    if (key === "constructor" || key === "prototype" || !own.configurable) continue;
    const where = `${path}.${Text(key)}`;
    const through = (real) => function (...values) { look(where, this, values); return apply(real, this, values); };
    if (typeof own.value === "function") {
      if (own.value.prototype !== undefined && /^[A-Z]/.test(key)) continue; // a constructor
      defineProperty(owner, key, { ...own, value: through(own.value) });
    } else if (own.get) {
      defineProperty(owner, key, { ...own, get: through(own.get), ...(own.set ? { set: through(own.set) } : {}) });
    }
  }
}

const names = `Array Map Set WeakMap Promise Uint8Array ArrayBuffer DataView TextEncoder TextDecoder String RegExp Headers
  Request Response ReadableStream ReadableStreamDefaultReader ReadableStreamDefaultController AbortController AbortSignal
  EventTarget URL Error Function FormData Blob`.split(/\s+/);
const { AsyncLocalStorage } = require("async_hooks");
busy = 1;
for (const name of names) {
  const made = globalThis[name];
  if (made.prototype) spyOn(made.prototype, `${name}.prototype`);
  if (name !== "Function") spyOn(made, name);
}
spyOn(getPrototypeOf(U8.prototype), "TypedArray.prototype");
spyOn(getPrototypeOf([][Symbol.iterator]()), "ArrayIterator.prototype");
spyOn(getPrototypeOf(new MapOf()[Symbol.iterator]()), "MapIterator.prototype");
spyOn(AsyncLocalStorage.prototype, "AsyncLocalStorage.prototype");
for (const name of ["JSON", "Reflect", "Math", "Object"]) spyOn(globalThis[name], name);
const hidden = `channel id asks logs source invocation frame frames socket next queue waiting call method args body
  head more stream onFrame grant cancelled pieces size needed open writer write 0 1 2 3 4 5 6 7`.split(/\s+/);
for (const name of hidden) {
  const whereOf = (kind) => `${kind} Object.prototype.${name}`;
  defineProperty(Object.prototype, name, {
    configurable: true,
    get() { look(whereOf("get"), this, []); return undefined; },
    set(value) { look(whereOf("set"), this, [value]); defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true }); },
  });
}
defineProperty(Promise.prototype, "constructor", { get() { look("Promise.prototype.constructor", this, []); return Promise; } });
for (const name of ["setImmediate", "setTimeout", "queueMicrotask", "clearTimeout"]) {
  const real = globalThis[name];
  globalThis[name] = function (...values) { look(name, this, values); return apply(real, this, values); };
}
for (const name of ["Uint8Array", "Map", "Promise", "TextEncoder", "ReadableStream"]) {
  globalThis[name] = new Proxy(globalThis[name], {
    construct(target, values, made) { look(`new ${name}`, undefined, values); return Reflect.construct(target, values, made === globalThis[name] ? target : made); },
  });
}
busy = 0;

async function work(request, ctx) {
  console.log("a line", { a: 1 });
  process.stdout.write("another");
  await ctx.auth.me().catch(() => 0);
  await ctx.data.create("c", { text: "x".repeat(100_000) }).catch(() => 0);
  await Promise.all(Array.from({ length: 70 }, (_, n) => ctx.data.get("c", `d${n}`).catch(() => 0)));
  await fetch("https://not.allowed/", { method: "POST", body: "x" }).catch(() => 0);
  await fetch("https://not.allowed/", { method: "POST", body: new ReadableStream({ start(c) { c.enqueue(new U8(9)); c.close(); } }) }).catch(() => 0);
  ctx.waitUntil(new Promise((done) => setTimeout(done, 1)));
  const read = request.body ? (await request.bytes()).length : 0;
  return new Response(new ReadableStream({ start(c) { c.enqueue(`read ${read}`); c.close(); } }));
}

module.exports.default = (request, ctx) => {
  const { pathname } = new URL(request.url);
  if (pathname === "/control") { const frame = new U8([0, 0, 0, 5, 16, 0, 0, 0, 0]); const queue = []; queue.push(frame); }
  if (pathname !== "/work") return new Response(JSON.stringify(caught));
  return work(request, ctx);
};
