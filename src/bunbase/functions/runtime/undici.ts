/** `fetch` and `request` of `undici`, also as methods of its dispatchers (`new Pool(origin).request(…)`). */

import type * as Streams from "node:stream";

import { networkFetch } from "./network.ts";

type Members = Record<string, unknown>;
type Constructor = new (...given: unknown[]) => object;
type Address = string | URL | { origin?: string | URL; path?: string };
type Options = {
  origin?: string | URL;
  path?: string;
  method?: string;
  headers?: Headers | [string, string][] | readonly string[] | Record<string, string | string[] | undefined> | null;
  query?: Record<string, unknown>;
  body?: unknown;
  signal?: AbortSignal | null;
  maxRedirections?: number;
  throwOnError?: boolean;
};

const OF_ONE_ORIGIN = ["Client", "Pool", "BalancedPool"];
const OF_ANY_ORIGIN = ["Dispatcher", "Agent", "ProxyAgent", "EnvHttpProxyAgent", "RetryAgent"];

export function defineUndici(real: Members): Members {
  const { Readable } = process.getBuiltinModule("node:stream") as typeof Streams;

  async function request(address: Address, options: Options = {}): Promise<object> {
    const response = await networkFetch(urlOf(address, options), {
      method: options.method ?? "GET",
      headers: headersOf(options.headers),
      body: (options.body ?? null) as RequestInit["body"],
      signal: options.signal ?? null,
      redirect: options.maxRedirections ? "follow" : "manual", // by default, undici's request follows no redirects
      decompress: false, // undici also unpacks nothing
    });
    if (options.throwOnError && response.status >= 400) throw statusError(response.status);
    const { status: statusCode, statusText } = response;
    const said = { statusCode, statusText, headers: plain(response.headers), trailers: {} };
    return { ...said, body: bodyOf(response), opaque: null, context: {} };
  }

  function bodyOf(response: Response): Streams.Readable {
    const web = response.body ?? new Response("").body;
    const body = Readable.fromWeb(web as Parameters<typeof Readable.fromWeb>[0]);
    const whole = async () => new Response(Readable.toWeb(body) as never, { headers: response.headers });
    return Object.assign(body, {
      text: async () => (await whole()).text(),
      json: async () => (await whole()).json(),
      bytes: async () => new Uint8Array(await (await whole()).arrayBuffer()),
      arrayBuffer: async () => (await whole()).arrayBuffer(),
      blob: async () => (await whole()).blob(),
      formData: async () => (await whole()).formData(),
      dump: async () => void body.resume(),
    });
  }

  function withOrigin(base: Constructor): Constructor {
    return class extends base {
      readonly #origin: string;
      constructor(origin: unknown, ...given: unknown[]) {
        super(origin, ...given);
        this.#origin = String(Array.isArray(origin) ? origin[0] : origin);
      }
      request(options: Options): Promise<object> {
        return request({ origin: this.#origin }, options);
      }
      close = async (): Promise<void> => {};
      destroy = async (): Promise<void> => {};
    };
  }

  function withoutOrigin(base: Constructor): Constructor {
    return class extends base {
      request(options: Options): Promise<object> {
        return request({ origin: options.origin ?? "" }, options);
      }
      close = async (): Promise<void> => {};
      destroy = async (): Promise<void> => {};
    };
  }

  const classes: Members = {};
  for (const name of OF_ONE_ORIGIN) classes[name] = withOrigin(real[name] as Constructor);
  for (const name of OF_ANY_ORIGIN) classes[name] = withoutOrigin(real[name] as Constructor);
  const made: Members = { ...real, ...classes, fetch: networkFetch, request };
  made["default"] = made;
  return made;
}

function urlOf(address: Address, { path, query }: Options): string {
  const named = typeof address === "object" && !(address instanceof URL);
  const given = named ? (address.path ?? path ?? "/") : path;
  const origin = new URL(named ? (address.origin ?? "") : address);
  const url = given === undefined ? origin : withPath(origin, given);
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) url.searchParams.append(name, String(one));
  }
  return url.href;
}

/**
 * Joins an origin and a path. `new URL(path, origin)` is not used, because a path such as `//host/` or `http://host/`
 * would lead to another host.
 */
function withPath({ origin }: URL, path: string): URL {
  if (path.startsWith("/")) return new URL(origin + path);
  throw Object.assign(new Error("path must start with a slash"), { name: "InvalidArgumentError", code: "UND_ERR_INVALID_ARG" });
}

/** Reads headers, which are an object, pairs, Headers, or a flat list of names and values. */
function headersOf(given: Options["headers"]): Headers {
  const headers = new Headers();
  const flat = Array.isArray(given) && typeof given[0] === "string";
  const entries = flat ? pairs(given as unknown as string[]) : entriesOf(given);
  for (const [name, value] of entries) for (const one of [value].flat()) headers.append(name, String(one));
  return headers;
}

function entriesOf(given: Options["headers"]): Iterable<[string, unknown]> {
  if (!given) return [];
  if (Symbol.iterator in given) return given as unknown as Iterable<[string, unknown]>;
  return Object.entries(given).filter(([, value]) => value !== undefined);
}

function pairs(flat: readonly string[]): [string, string][] {
  return flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1] ?? ""] as [string, string]] : []));
}

function plain(headers: Headers): Record<string, string | string[]> {
  const cookies = headers.getSetCookie();
  return { ...Object.fromEntries(headers), ...(cookies.length > 0 ? { "set-cookie": cookies } : {}) };
}

function statusError(statusCode: number): Error {
  const error = new Error(`Response status code ${statusCode}`);
  return Object.assign(error, { code: "UND_ERR_RESPONSE_STATUS_CODE", statusCode });
}
