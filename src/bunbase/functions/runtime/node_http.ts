/**
 * The clients of `node:http` and `node:https`, built on fetch, with the features that common npm packages use.
 *
 * `request` and `get` take an address, options or both. The request is a Writable, the answer a Readable. A function has
 * no sockets, so agents are accepted and ignored, and servers cannot be created.
 */

import type * as Http from "node:http";
import type * as Streams from "node:stream";

type Options = {
  protocol?: string | null;
  host?: string | null;
  hostname?: string | null;
  port?: number | string | null;
  path?: string | null;
  method?: string;
  headers?: Record<string, string | number | readonly string[] | undefined>;
  auth?: string | null;
  timeout?: number;
  signal?: AbortSignal;
};
type OnResponse = (response: Streams.Readable) => void;
type Asked = { url: URL; options: Options; onResponse: OnResponse | undefined };
type Callback = (error?: Error | null) => void;
type Arguments = [string | URL | Options, (Options | OnResponse)?, OnResponse?];

const builtin = process.getBuiltinModule.bind(process);
let clients: Readonly<Record<string, object>> | undefined;

/** Returns the module `http` or `https`; undefined for every other name. */
export function clientModule(name: string): unknown {
  const plain = name.replace(/^node:/, "");
  if (plain !== "http" && plain !== "https") return undefined;
  clients ??= defineClients();
  return clients[plain];
}

/** Loads Node's streams and http, which takes 12 ms. So it runs at the first use, not at the start of every worker. */
function defineClients(): Readonly<Record<string, object>> {
  const nodeHttp = builtin("node:http") as typeof Http;
  const { Readable, Writable } = builtin("node:stream") as typeof Streams;

  class IncomingMessage extends Readable {
    readonly httpVersion = "1.1";
    readonly statusCode: number;
    readonly statusMessage: string;
    readonly headers: Record<string, string | string[]> = {};
    readonly rawHeaders: string[] = [];
    readonly trailers = {};
    readonly url: string;
    complete = false;

    constructor(
      response: Response,
      private readonly stop: () => void,
    ) {
      super();
      this.statusCode = response.status;
      this.statusMessage = nodeHttp.STATUS_CODES[response.status] ?? "";
      this.url = response.url;
      for (const [name, value] of response.headers) {
        if (name === "set-cookie") continue;
        this.headers[name] = value;
        this.rawHeaders.push(name, value);
      }
      const cookies = response.headers.getSetCookie();
      if (cookies.length > 0) this.headers["set-cookie"] = cookies;
      for (const cookie of cookies) this.rawHeaders.push("set-cookie", cookie);
      this.#reader = response.body?.getReader();
    }

    readonly #reader: { read(): Promise<{ done: boolean; value?: Uint8Array | undefined }> } | undefined;

    override _read(): void {
      if (this.#reader === undefined) return this.#finish();
      this.#reader.read().then(
        ({ done, value }) => (done ? this.#finish() : void this.push(Buffer.from(value ?? []))),
        (error: Error) => this.destroy(error),
      );
    }

    override _destroy(error: Error | null, callback: Callback): void {
      if (!this.complete) this.stop();
      callback(error);
    }

    setTimeout(): this {
      return this;
    }

    #finish(): void {
      this.complete = true;
      this.push(null);
    }
  }

  class ClientRequest extends Writable {
    readonly method: string;
    readonly path: string;
    readonly host: string;
    readonly protocol: string;
    aborted = false;
    readonly #url: string;
    readonly #headers = new Map<string, string | readonly string[]>();
    readonly #aborter = new AbortController();
    readonly #parts: Uint8Array[] = [];
    #timer: ReturnType<typeof setTimeout> | undefined;

    constructor(scheme: "http:" | "https:", args: Arguments) {
      super({ autoDestroy: false }); // after the last write, the request is still open: it waits for the answer
      const { url, options, onResponse } = read(scheme, args);
      this.method = (options.method ?? "GET").toUpperCase();
      this.#url = url.href;
      this.path = url.pathname + url.search;
      this.host = url.hostname;
      this.protocol = url.protocol;
      for (const [name, value] of Object.entries(options.headers ?? {})) {
        if (value !== undefined) this.setHeader(name, value);
      }
      const auth = options.auth ?? userOf(url);
      if (auth !== undefined && !this.hasHeader("authorization")) {
        this.setHeader("authorization", `Basic ${Buffer.from(auth).toString("base64")}`);
      }
      if (onResponse !== undefined) this.once("response", onResponse);
      if (options.timeout !== undefined) this.setTimeout(options.timeout);
      options.signal?.addEventListener("abort", () => this.destroy(options.signal?.reason as Error), { once: true });
    }

    setHeader(name: string, value: string | number | readonly string[]): this {
      this.#headers.set(name.toLowerCase(), typeof value === "number" ? String(value) : value);
      return this;
    }

    getHeader(name: string): string | readonly string[] | undefined {
      return this.#headers.get(name.toLowerCase());
    }

    getHeaders(): Record<string, string | readonly string[]> {
      return Object.fromEntries(this.#headers);
    }

    hasHeader(name: string): boolean {
      return this.#headers.has(name.toLowerCase());
    }

    removeHeader(name: string): void {
      this.#headers.delete(name.toLowerCase());
    }

    flushHeaders(): void {}

    setNoDelay(): this {
      return this;
    }

    setSocketKeepAlive(): this {
      return this;
    }

    /** Emits `timeout` after this time. As in Node, the request goes on, and the caller decides whether to end it. */
    setTimeout(milliseconds: number, onTimeout?: () => void): this {
      clearTimeout(this.#timer);
      if (onTimeout !== undefined) this.once("timeout", onTimeout);
      if (milliseconds > 0) this.#timer = setTimeout(() => this.emit("timeout"), milliseconds);
      return this;
    }

    abort(): void {
      this.aborted = true;
      this.destroy();
    }

    override _write(chunk: Uint8Array | string, encoding: BufferEncoding, callback: Callback): void {
      this.#parts.push(typeof chunk === "string" ? Buffer.from(chunk, encoding) : Buffer.from(chunk));
      callback();
    }

    override _final(callback: Callback): void {
      callback();
      void this.#send();
    }

    override _destroy(error: Error | null, callback: Callback): void {
      clearTimeout(this.#timer);
      this.#aborter.abort();
      callback(error);
    }

    async #send(): Promise<void> {
      try {
        const empty = this.method === "GET" || this.method === "HEAD" || this.#parts.length === 0;
        const response = await fetch(this.#url, {
          method: this.method,
          headers: this.#pairs(),
          body: empty ? null : Buffer.concat(this.#parts),
          redirect: "manual", // Node's client follows no redirects
          signal: this.#aborter.signal,
        });
        clearTimeout(this.#timer);
        const message = new IncomingMessage(response, () => this.#aborter.abort());
        if (!this.emit("response", message)) message.resume();
      } catch (error) {
        if (!this.destroyed) this.destroy(nodeError(error));
      }
    }

    #pairs(): [string, string][] {
      const pairs: [string, string][] = [];
      for (const [name, value] of this.#headers) {
        for (const one of typeof value === "string" ? [value] : value) pairs.push([name, one]);
      }
      return pairs.filter(([name]) => name !== "host" && name !== "content-length" && name !== "connection");
    }
  }

  function moduleOf(scheme: "http:" | "https:"): object {
    const request = (...args: Arguments) => new ClientRequest(scheme, args);
    const get = (...args: Arguments) => {
      const asked = request(...args);
      asked.end();
      return asked;
    };
    const noServer = () => {
      throw new Error("A function cannot listen on a port. Export a handler: it gets requests and returns responses.");
    };
    const { METHODS, STATUS_CODES, Agent, globalAgent } = nodeHttp;
    const made = { request, get, ClientRequest, IncomingMessage, Agent, globalAgent, METHODS, STATUS_CODES };
    return Object.freeze({ ...made, createServer: noServer });
  }

  return { http: moduleOf("http:"), https: moduleOf("https:") };
}

function read(scheme: string, [first, second, third]: Arguments): Asked {
  const named = typeof first === "string" || first instanceof URL;
  const given = typeof second === "object" ? second : {};
  const options = named ? given : first;
  const onResponse = typeof second === "function" ? second : third;
  return { url: named ? new URL(first) : urlOf(scheme, options), options, onResponse };
}

function urlOf(scheme: string, { protocol, hostname, host, port, path }: Options): URL {
  const name = (hostname ?? host ?? "localhost").replace(/:\d+$/, "");
  return new URL(`${protocol ?? scheme}//${name}${port ? `:${port}` : ""}${path ?? "/"}`);
}

function userOf(url: URL): string | undefined {
  return url.username === "" ? undefined : decodeURIComponent(`${url.username}:${url.password}`);
}

/** Returns the error with a `code`, as Node's errors have one. */
function nodeError(error: unknown): Error {
  const cause = error instanceof Error ? (error.cause as { code?: string } | undefined) : undefined;
  return Object.assign(error instanceof Error ? error : new Error(String(error)), { code: cause?.code ?? "ECONNRESET" });
}
