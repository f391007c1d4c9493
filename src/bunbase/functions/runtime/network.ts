/**
 * The `fetch` that everything else in the runtime uses: `node:http`, `node-fetch`, `undici`.
 *
 * Programs may replace the global `fetch`, often by one that is itself built on `node:http` or `node-fetch`. If these
 * used the global, each request would then call itself without an end.
 */

/** `decompress: false` leaves the body of the answer packed, as clients expect that unpack it themselves. */
export type FetchOptions = RequestInit & { decompress?: boolean };
type Fetch = (input: string | URL | Request, init?: FetchOptions) => Promise<Response>;

let kept: Fetch = globalThis.fetch;

/** Called once, just before a bundle is evaluated. */
export function keepFetch(): void {
  kept = globalThis.fetch;
}

export const networkFetch: Fetch = (input, init) => kept(input, init);
