/** `fetch` for functions. The host makes the request: it checks the allowed hosts and fills in secrets. */

import type { Asks, Body } from "./asks.ts";
import type { Logs } from "./console.ts";
import { callOver, type Problem } from "./problem.ts";
import { callSite } from "./stacks.ts";

type Head = { status: number; headers: [string, string][]; url: string; redirected: boolean };
type Decoder = "gzip" | "deflate" | "brotli";

const NULL_BODY = new Set([101, 103, 204, 205, 304]);
const DECODERS: Readonly<Record<string, Decoder>> = {
  gzip: "gzip",
  "x-gzip": "gzip",
  deflate: "deflate",
  br: "brotli",
};
const ACCEPTED = "gzip, deflate, br";

/** Replaces the global `fetch`, which has no network inside the sandbox. */
export function installFetch(asks: Asks, logs: Logs): void {
  const local = globalThis.fetch.bind(globalThis);

  async function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const site = callSite(); // for the stack of an error: later, the caller is no longer on the stack
    const request = requestOf(input, init);
    if (/^(data|blob):/i.test(request.url)) return local(request); // needs no network
    const call = logs.current();
    if (call === undefined || call.ended) throw failed(callOver());
    request.signal.throwIfAborted();
    const headers = headersOf(request); // before the body is read: afterwards Bun no longer adds the content type
    const body = await bodyOf(request, init?.body);
    const reply = await asks.ask({
      call: call.id,
      method: "fetch",
      args: {
        url: request.url,
        method: request.method,
        headers,
        redirect: request.redirect,
        length: body instanceof Uint8Array ? body.length : null,
      },
      body,
      signal: request.signal,
      explain: failed,
      site,
    });
    return responseOf(request, reply.head as Head, reply.body);
  }

  const preconnect = () => {};
  Object.defineProperty(globalThis, "fetch", {
    value: Object.assign(fetch, { preconnect }),
    writable: true,
    configurable: true,
  });
}

/** Returns the request. Throws a TypeError for an invalid address, as the standard requires; Bun throws other errors. */
function requestOf(input: string | URL | Request, init: RequestInit | undefined): Request {
  try {
    return new Request(input as string, init);
  } catch (error) {
    if (error instanceof TypeError || input instanceof Request || URL.canParse(String(input))) throw error;
    throw new TypeError(`fetch failed: "${String(input)}" is not an address that begins with https:// or http://.`);
  }
}

function failed(problem: Problem): TypeError {
  return new TypeError(`fetch failed: ${problem.detail}`, { cause: problem });
}

/** Returns the body: a stream if the function gave a stream, otherwise bytes, so that the request has a length. */
async function bodyOf(request: Request, given: unknown): Promise<Body | undefined> {
  if (request.body === null) return undefined;
  const iterated = typeof given === "object" && given !== null && Symbol.asyncIterator in given;
  const streamed = given instanceof ReadableStream || iterated;
  return streamed ? (request.body as ReadableStream<Uint8Array>) : new Uint8Array(await request.arrayBuffer());
}

function headersOf(request: Request): [string, string][] {
  const headers = [...request.headers] as [string, string][];
  const missing = (name: string, value: string) => {
    if (!request.headers.has(name)) headers.push([name, value]);
  };
  missing("accept", "*/*");
  missing("accept-encoding", ACCEPTED);
  missing("user-agent", "BunBase");
  return headers;
}

function responseOf(request: Request, head: Head, body: Body): Response {
  const headers = new Headers();
  for (const [name, value] of head.headers) headers.append(name, value);
  const empty = request.method === "HEAD" || NULL_BODY.has(head.status);
  const decoded = empty ? null : decode(body, headers);
  const response = new Response(decoded as never, { status: head.status, headers });
  Object.defineProperty(response, "url", { value: head.url });
  Object.defineProperty(response, "redirected", { value: head.redirected });
  return response;
}

/** Decompresses the body here, not in the host: a body that grows to gigabytes then harms only this worker. */
function decode(body: Body, headers: Headers): Body {
  const decoder = DECODERS[headers.get("content-encoding")?.trim().toLowerCase() ?? ""];
  if (decoder === undefined) return body;
  headers.delete("content-encoding"); // no longer true; a function may return this response as its own answer
  headers.delete("content-length");
  const packed = new Response(body as never).body as ReadableStream<Uint8Array<ArrayBuffer>>;
  return packed.pipeThrough(new DecompressionStream(decoder as "gzip"));
}
