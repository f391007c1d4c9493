/**
 * The `fetch` that everything else in the runtime uses: `node:http`, `node-fetch`, `undici`.
 *
 * Programs may replace the global `fetch`, often by one that is itself built on `node:http` or `node-fetch`. If these
 * used the global, each request would then call itself without an end.
 */

type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

let kept: Fetch = globalThis.fetch;

/** Called once, just before a bundle is evaluated. */
export function keepFetch(): void {
  kept = globalThis.fetch;
}

export const networkFetch: Fetch = (input, init) => kept(input, init);
