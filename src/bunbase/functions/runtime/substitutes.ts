/**
 * Packages that Bun replaces with its own client: `node-fetch`, `isomorphic-fetch`, `undici`. Bun's client opens
 * sockets, which the sandbox denies. So these modules get the requests of fetch (network.ts); all other members stay
 * Bun's.
 */

import type * as Streams from "node:stream";

import { networkFetch } from "./network.ts";
import { defineUndici } from "./undici.ts";

type Members = Record<string, unknown>;
type FormStream = Streams.Stream & { getHeaders?: () => Record<string, string> };

/** Returns the module with BunBase's requests. A module with any other name stays unchanged. */
export function substituteOf(name: string, real: unknown): unknown {
  switch (name) {
    case "node-fetch":
    case "next/dist/compiled/node-fetch":
      return nodeFetch(real as Members);
    case "isomorphic-fetch":
      return Object.assign(plainFetch(), { default: networkFetch, fetch: networkFetch });
    case "@vercel/fetch":
      return () => plainFetch();
    case "undici":
      return defineUndici(real as Members);
    default:
      return real;
  }
}

function plainFetch(): typeof networkFetch {
  return (input, init) => networkFetch(input, init);
}

/** Returns node-fetch with answers of Bun's class, which have a Node stream as `body`, and `buffer()`. */
function nodeFetch(real: Members): unknown {
  const { prototype } = real["Response"] as { prototype: object };
  const fetched = Object.getOwnPropertySymbols(new (real["Response"] as new () => object)()).find(
    (symbol) => symbol.description === "kFetched",
  );
  const fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const response = await networkFetch(input, withStream(init));
    Object.setPrototypeOf(response, prototype);
    // An answer without a body gets an empty body here.
    if (fetched !== undefined) Object.assign(response, { [fetched]: true });
    return response;
  };
  return Object.assign(fetch, real, { default: fetch, fetch });
}

/** Accepts the package `form-data`, an old kind of stream without an iterator, and reads its content type. */
function withStream(init: RequestInit | undefined): RequestInit | undefined {
  const { Stream, PassThrough } = process.getBuiltinModule("node:stream") as typeof Streams;
  const body: unknown = init?.body;
  if (!(body instanceof Stream)) return init;
  const headers = new Headers(init?.headers);
  for (const [name, value] of Object.entries((body as FormStream).getHeaders?.() ?? {})) {
    if (!headers.has(name)) headers.set(name, value);
  }
  const iterable = (body as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator] !== undefined;
  const readable = iterable ? body : body.pipe(new PassThrough());
  return { ...init, headers, body: readable } as unknown as RequestInit;
}
