/** `fetch`, made by the host: it knows where this function may go, and fills in secrets. */

import type { Asks, Body } from "./asks.ts";
import type { Logs } from "./console.ts";
import { callOver, type Problem } from "./problem.ts";

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

/** Takes the place of the global `fetch`, which has no network here. */
export function installFetch(asks: Asks, logs: Logs): void {
  const local = globalThis.fetch.bind(globalThis);

  async function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const request = new Request(input as string, init);
    if (/^(data|blob):/i.test(request.url)) return local(request); // there is nothing to reach
    const call = logs.current();
    if (call === undefined || call.ended) throw failed(callOver());
    request.signal.throwIfAborted();
    const headers = headersOf(request); // Bun makes the body's type when it is asked for, and not behind the body
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

function failed(problem: Problem): TypeError {
  return new TypeError(`fetch failed: ${problem.detail}`, { cause: problem });
}

/** Streams what is a stream; what lies in memory goes with its length, as servers like it. */
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

/** Unpacks here and not in the host: a body that unfolds into gigabytes is this function's own trouble. */
function decode(body: Body, headers: Headers): Body {
  const decoder = DECODERS[headers.get("content-encoding")?.trim().toLowerCase() ?? ""];
  if (decoder === undefined) return body;
  headers.delete("content-encoding"); // `return fetch(…)` would announce what is no longer so
  headers.delete("content-length");
  const packed = new Response(body as never).body as ReadableStream<Uint8Array<ArrayBuffer>>;
  return packed.pipeThrough(new DecompressionStream(decoder as "gzip"));
}
