/** `fetch` for functions. The host makes the request: it checks the allowed hosts and fills in secrets. */

import type { Asks, Body } from "./asks.ts";
import type { Logs } from "./console.ts";
import { callOver, Problem } from "./problem.ts";
import { callSite, thrownAt } from "./stacks.ts";
import { ACCEPTED, unpack } from "./unpacking.ts";

type Head = { status: number; reason: string; headers: [string, string][]; url: string; redirected: boolean };

const NULL_BODY = new Set([101, 103, 204, 205, 304]);
// Programs cannot make a Response with a greater status, but servers may send one, such as 999.
const MAX_MADE_STATUS = 599;

/** Replaces the global `fetch`, which has no network inside the sandbox. */
export function installFetch(asks: Asks, logs: Logs): void {
  const local = globalThis.fetch.bind(globalThis);

  async function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const site = callSite(); // The stack of an error shows this place. Later, the caller is no longer on the stack.
    const request = requestOf(input, init);
    if (/^(data|blob):/i.test(request.url)) return local(request); // These URLs need no network.
    const call = logs.current();
    if (call === undefined || call.ended) throw failed(callOver());
    request.signal.throwIfAborted();
    // This is an option of Bun's fetch.
    const unpacks = (init as { decompress?: boolean } | undefined)?.decompress !== false;
    // This must happen before the body is read, because afterwards Bun no longer adds the content type.
    const headers = headersOf(request, unpacks);
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
    const explain = (coding: string) => thrownAt(failed(notUnpacked(request, coding)), site);
    return responseOf(request, reply.head as Head, reply.body, unpacks ? explain : undefined);
  }

  const preconnect = () => {};
  Object.defineProperty(globalThis, "fetch", {
    value: Object.assign(fetch, { preconnect }),
    writable: true,
    configurable: true,
  });
}

/** Returns the request. Throws a TypeError for an invalid URL, as the standard requires; Bun throws other errors. */
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

function headersOf(request: Request, unpacks: boolean): [string, string][] {
  const headers = [...request.headers] as [string, string][];
  const missing = (name: string, value: string) => {
    if (!request.headers.has(name)) headers.push([name, value]);
  };
  missing("accept", "*/*");
  if (unpacks) missing("accept-encoding", ACCEPTED);
  missing("user-agent", "BunBase");
  return headers;
}

/** `explain`: makes the error for a body that cannot be unpacked, or undefined if the body stays packed. */
function responseOf(request: Request, head: Head, body: Body, explain?: (coding: string) => Error): Response {
  const headers = new Headers();
  for (const [name, value] of head.headers) headers.append(name, value);
  const empty = request.method === "HEAD" || NULL_BODY.has(head.status);
  const shown = empty ? null : explain === undefined ? body : unpack(body, headers, explain);
  const { status, reason: statusText, url, redirected } = head;
  if (status <= MAX_MADE_STATUS) {
    return withFacts(new Response(shown as never, { status, statusText, headers }), { url, redirected });
  }
  return withFacts(new Response(shown as never, { statusText, headers }), { url, redirected, status, ok: false });
}

/**
 * Sets properties that a program cannot set when it makes a Response. Clones of the Response also get these properties.
 */
function withFacts(response: Response, facts: Readonly<Record<string, unknown>>): Response {
  for (const name in facts) Object.defineProperty(response, name, { value: facts[name] });
  const clone = () => withFacts(Response.prototype.clone.call(response), facts);
  Object.defineProperty(response, "clone", { value: clone, writable: true, configurable: true });
  return response;
}

function notUnpacked(request: Request, coding: string): Problem {
  const { hostname } = new URL(request.url);
  return new Problem({
    code: "fetch_failed",
    status: 502,
    reason: "protocol",
    detail: `${hostname} sent a body that is not ${coding}, although its header content-encoding says this.`,
  });
}
