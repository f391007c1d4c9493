/**
 * The `fetch` that all other modules of the runtime use: `node:http`, `node-fetch`, `undici`.
 *
 * Programs may replace the global `fetch`, often with a function that itself uses `node:http` or `node-fetch`. If these
 * modules used the global `fetch`, each request would call itself without an end.
 */

/** `decompress: false` leaves the body of the answer packed, because some clients unpack it themselves. */
export type FetchOptions = RequestInit & { decompress?: boolean };
type Fetch = (input: string | URL | Request, init?: FetchOptions) => Promise<Response>;

let kept: Fetch = globalThis.fetch;

/** Sets the fetch. This function is called once, just before a bundle is evaluated. */
export function keepFetch(): void {
  kept = globalThis.fetch;
}

export const networkFetch: Fetch = (input, init) => kept(input, init);
