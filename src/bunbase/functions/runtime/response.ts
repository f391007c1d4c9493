/** Makes a Response from the value that a function returns, reads its head and body, and sets its content type. */

import { standardForms } from "./form_data.ts";

const TEXT = "text/plain;charset=UTF-8";

// workers/limits.py and workers/answer_head.py check the same limits. The host kills a worker that exceeds a limit.
const MAX_HEADERS = 128;
const MAX_HEADER_BYTES = 32 * 1024;
const NOT_IN_HTTP = /[^\t\x20-\x7e\x80-\xff]/;

// JSON would turn such values into {} or a list of numbers, so their content would be lost without an error.
const BYTES = "Return new Response(value) to send it.";
const NOT_JSON: readonly [kind: abstract new (...args: never[]) => object, advice: string][] = [
  [Error, "Throw it, or return a Response that says what went wrong."],
  [Map, "Return Object.fromEntries(map)."],
  [Set, "Return [...set]."],
  [ReadableStream, BYTES],
  [ArrayBuffer, BYTES],
  [Blob, BYTES],
  [FormData, BYTES],
  [URLSearchParams, BYTES],
  [RegExp, "Return String(value)."],
];

/**
 * Returns the value as a Response: JSON, or 204 without a value. Throws a TypeError if JSON cannot express the value.
 */
export function responseOf(value: unknown): Response {
  if (value instanceof Response) return value;
  if (value === undefined) return new Response(null, { status: 204 });
  if (typeof value === "object" && value !== null && !isPlain(value)) checkJson(value);
  return jsonOf(value);
}

function jsonOf(value: unknown): Response {
  try {
    return Response.json(value);
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === undefined) throw error; // The error comes from a toJSON of the function.
    throw new TypeError(`The function returned a value that JSON cannot hold: ${reason}`);
  }
}

/** Returns the reason why JSON refuses a value, or undefined if the error does not come from JSON. */
function reasonOf(error: unknown): string | undefined {
  const message = error instanceof TypeError ? error.message : "";
  if (/cyclic|circular/i.test(message)) return "it contains itself. Return the parts that the caller needs.";
  if (/BigInt/.test(message)) return "it contains a BigInt. Return String(value), or Number(value).";
  return /not JSON serializable/.test(message) ? "it is a function or a symbol." : undefined;
}

function isPlain(value: object): boolean {
  return Object.getPrototypeOf(value) === Object.prototype || Array.isArray(value);
}

function checkJson(value: object): void {
  const [kind, advice] = ArrayBuffer.isView(value) ? [value.constructor, BYTES] : (notJson(value) ?? []);
  if (kind === undefined) return;
  const options = value instanceof Error ? { cause: value } : undefined;
  throw new TypeError(`The function returned a value of the type ${kind.name}, which JSON cannot hold. ${advice}`, options);
}

function notJson(value: object) {
  const writesItself = typeof (value as { toJSON?: unknown }).toJSON === "function";
  return writesItself ? undefined : NOT_JSON.find(([kind]) => value instanceof kind);
}

/**
 * Returns the head of the answer. Throws a TypeError for a head that the host would refuse. Because of this error, only
 * this call fails, and the other calls of this worker continue.
 */
export function headOf(response: Response): { status: number; headers: [string, string][] } {
  const { status } = response;
  if (!(status >= 200 && status <= 599)) throw new TypeError(`A function cannot answer with status ${status}.`);
  const headers = [...response.headers].filter(([name]) => name !== "set-cookie") as [string, string][];
  for (const cookie of response.headers.getSetCookie()) headers.push(["set-cookie", cookie]);
  const size = headers.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  if (headers.length > MAX_HEADERS || size > MAX_HEADER_BYTES) {
    throw new TypeError(`An answer may have at most ${MAX_HEADERS} headers, ${MAX_HEADER_BYTES / 1024} KiB in total.`);
  }
  for (const [name, value] of headers) {
    if (NOT_IN_HTTP.test(value)) throw new TypeError(`HTTP does not allow the value of the header ${name}.`);
  }
  return { status, headers };
}

/** Returns a reader of the body, or undefined if there is no body. Throws a TypeError if the body was read before. */
export function bodyOf(response: Response) {
  if (response.bodyUsed) throw new TypeError("The Response was used before. Make a new Response for each answer.");
  return response.body === null ? undefined : response.body.getReader();
}

/**
 * Sets the content type of text bodies, as the Fetch standard requires; Bun does this only in its own server and fetch.
 * Also gives uploaded files the type that their part names.
 */
export function standardBodies(): void {
  standardForms();
  globalThis.Response = withTextType(Response, (args) => args[0]);
  globalThis.Request = withTextType(Request, (args) => args[1]?.body, checkMethod);
}

/** Throws a TypeError for a method that Bun does not know. Bun itself would make a request with GET instead. */
function checkMethod({ method }: Request, [, init]: ConstructorParameters<typeof Request>): void {
  const given: unknown = init?.method;
  if (given === undefined || String(given).toUpperCase() === method) return;
  throw new TypeError(`A request cannot have the method ${JSON.stringify(String(given))}.`);
}

type Made = { headers: Headers };

function withTextType<C extends new (...args: never[]) => Made>(
  made: C,
  bodyAmong: (args: ConstructorParameters<C>) => unknown,
  check: (one: InstanceType<C>, args: ConstructorParameters<C>) => void = () => {},
): C {
  return new Proxy(made, {
    construct(target, args, newTarget) {
      const one = Reflect.construct(target, args, newTarget) as InstanceType<C>;
      check(one, args as ConstructorParameters<C>);
      if (typeof bodyAmong(args as ConstructorParameters<C>) === "string" && !one.headers.has("content-type")) {
        one.headers.set("content-type", TEXT);
      }
      return one;
    },
  });
}
