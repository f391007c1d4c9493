/**
 * `ClientRequest` of `node:http`, built on fetch.
 *
 * The life of one request: the constructor reads URL and options, and in the next turn the request emits `socket`.
 * Writes are collected until `end()`, because more servers accept a request with a length than a chunked request. After
 * `end()`, fetch sends the request. The answer is emitted as `response`. After the answer's `end`, the request closes.
 * Every other end emits `error`, and then `close`.
 */

import type * as Http from "node:http";
import type * as Streams from "node:stream";

import { networkFetch } from "./network.ts";
import type { Answer, AnswerClass } from "./node_answer.ts";
import { type Arguments, invalid, readArguments } from "./node_options.ts";
import { type ClientSocket, type ClientSocketClass, connectionReset, nodeError } from "./node_socket.ts";
import { callSite, thrownAt } from "./stacks.ts";

type Callback = (error?: Error | null) => void;
type Value = string | number | readonly string[];
type Validators = Pick<typeof Http, "validateHeaderName" | "validateHeaderValue">;
type Parts = { streams: typeof Streams; Socket: ClientSocketClass; Answer: AnswerClass; http: Validators };

export type ClientRequestClass = new (scheme: "http:" | "https:", args: Arguments) => Streams.Writable;

const OF_THE_CONNECTION = new Set(["host", "content-length", "connection", "expect"]); // The host sets these headers.

const METHOD = /^[!#$%&'*+.^_`|~\w-]+$/; // RFC 9110 §5.6.2

export function defineRequest({ streams, Socket, Answer, http }: Parts): ClientRequestClass {
  return class ClientRequest extends streams.Writable {
    readonly method: string;
    readonly path: string;
    readonly host: string;
    readonly protocol: string;
    readonly agent: unknown;
    readonly reusedSocket = false;
    readonly maxHeadersCount = null;
    res: Answer | null = null;
    socket: ClientSocket | null = null;
    aborted = false;
    headersSent = false;
    timeout: number | undefined;
    readonly #url: string;
    readonly #headers = new Map<string, { name: string; value: Value }>();
    readonly #aborter = new AbortController();
    readonly #parts: Uint8Array[] = [];
    readonly #site = callSite(); // The stack of an error shows this place, because fetch begins in a later turn.

    constructor(scheme: "http:" | "https:", args: Arguments) {
      super({ autoDestroy: false }); // After the last write, the request stays open, because it waits for the answer.
      const { url, options, headers, onResponse } = readArguments(scheme, args);
      this.method = (options.method ?? "GET").toUpperCase();
      if (!METHOD.test(this.method)) {
        throw invalid("ERR_INVALID_HTTP_TOKEN", `Method must be a valid HTTP token ["${this.method}"]`);
      }
      this.#url = url.href;
      this.path = options.path ?? url.pathname + url.search;
      this.host = url.hostname;
      this.protocol = url.protocol;
      this.agent = options.agent;
      for (const [name, value] of headers) this.setHeader(name, value);
      if (options.auth && !this.hasHeader("authorization")) {
        this.setHeader("Authorization", `Basic ${Buffer.from(options.auth).toString("base64")}`);
      }
      if (!this.hasHeader("host")) this.setHeader("Host", url.host);
      if (onResponse !== undefined) this.once("response", onResponse);
      if (options.timeout !== undefined) this.setTimeout(options.timeout);
      if (options.signal) this.#follow(options.signal);
      process.nextTick(() => this.#connect());
    }

    get connection(): unknown {
      return this.socket;
    }

    get finished(): boolean {
      return this.writableEnded;
    }

    setHeader(name: string, value: Value): this {
      if (this.headersSent) throw headersSent("set");
      http.validateHeaderName(name);
      for (const one of Array.isArray(value) ? value : [value]) http.validateHeaderValue(name, one as string);
      this.#headers.set(name.toLowerCase(), { name, value });
      return this;
    }

    setHeaders(headers: Iterable<[string, Value]>): this {
      for (const [name, value] of headers) this.setHeader(name, value);
      return this;
    }

    appendHeader(name: string, value: string | readonly string[]): this {
      const before = this.#headers.get(name.toLowerCase());
      if (before === undefined) return this.setHeader(name, value);
      return this.setHeader(before.name, [before.value, value].flat().map(String));
    }

    getHeader(name: string): Value | undefined {
      return this.#headers.get(name.toLowerCase())?.value;
    }

    getHeaders(): Record<string, Value> {
      return Object.fromEntries([...this.#headers].map(([name, { value }]) => [name, value]));
    }

    getHeaderNames(): string[] {
      return [...this.#headers.keys()];
    }

    getRawHeaderNames(): string[] {
      return [...this.#headers.values()].map(({ name }) => name);
    }

    hasHeader(name: string): boolean {
      return this.#headers.has(name.toLowerCase());
    }

    removeHeader(name: string): void {
      if (this.headersSent) throw headersSent("remove");
      this.#headers.delete(name.toLowerCase());
    }

    flushHeaders(): void {}
    setNoDelay(): void {}
    setSocketKeepAlive(): void {}

    /** Emits `timeout` after this time of silence. As in Node, the caller decides whether to end the request. */
    setTimeout(milliseconds: number, onTimeout?: () => void): this {
      if (onTimeout !== undefined) this.once("timeout", onTimeout);
      this.timeout = milliseconds;
      this.socket?.setTimeout(milliseconds);
      return this;
    }

    /** Deprecated in Node, but still used. */
    abort(): void {
      if (this.aborted) return;
      this.aborted = true;
      process.nextTick(() => this.emit("abort"));
      this.destroy();
    }

    override _write(chunk: Uint8Array | string, encoding: BufferEncoding, callback: Callback): void {
      this.#parts.push(typeof chunk === "string" ? Buffer.from(chunk, encoding) : Buffer.from(chunk));
      this.socket?.touch();
      callback();
    }

    override _final(callback: Callback): void {
      process.nextTick(() => {
        if (this.destroyed) return;
        callback();
        void this.#send();
      });
    }

    override _destroy(error: Error | null, callback: Callback): void {
      this.#aborter.abort();
      this.socket?.destroy();
      const { res } = this;
      if (res === null) return callback(error ?? thrownAt(connectionReset("socket hang up"), this.#site));
      if (res.complete) return callback(error);
      process.nextTick(() => {
        callback(error);
        res.destroy(thrownAt(connectionReset("aborted"), this.#site));
      });
    }

    #connect(): void {
      if (this.destroyed) return;
      this.socket = new Socket(this.protocol === "https:", (error) => void this.destroy(error ?? undefined));
      this.socket.on("timeout", () => this.emit("timeout"));
      if (this.timeout !== undefined) this.socket.setTimeout(this.timeout);
      this.emit("socket", this.socket);
      // The host does not send `expect`, so nothing else would tell the caller to continue.
      if (/100-continue/i.test(String(this.getHeader("expect")))) this.emit("continue");
    }

    #follow(signal: AbortSignal): void {
      const abort = () => {
        const error = new Error("The operation was aborted", { cause: signal.reason });
        this.destroy(Object.assign(error, { name: "AbortError", code: "ABORT_ERR" }));
      };
      if (signal.aborted) process.nextTick(abort);
      else signal.addEventListener("abort", abort, { once: true });
    }

    async #send(): Promise<void> {
      this.headersSent = true;
      try {
        const body = Buffer.concat(this.#parts);
        const response = await networkFetch(this.#url, {
          method: this.method,
          headers: this.#pairs(),
          body: body.length === 0 ? null : body,
          redirect: "manual", // Node's client follows no redirects
          decompress: false, // Node's client unpacks nothing
          signal: this.#aborter.signal,
        });
        if (!this.destroyed) this.#receive(response);
      } catch (error) {
        if (!this.destroyed) this.destroy(thrownAt(nodeError(error), this.#site));
      }
    }

    #receive(response: Response): void {
      const socket = this.socket as ClientSocket;
      socket.touch();
      const answer = new Answer(response, this, socket, this.#site);
      this.res = answer;
      answer.once("end", () => process.nextTick(() => this.destroy()));
      if (!this.emit("response", answer)) answer.resume();
    }

    #pairs(): [string, string][] {
      const pairs: [string, string][] = [];
      for (const [name, { value }] of this.#headers) {
        if (OF_THE_CONNECTION.has(name)) continue;
        for (const one of [value].flat()) pairs.push([name, String(one)]);
      }
      return pairs;
    }
  };
}

function headersSent(verb: string): Error {
  const error = new Error(`Cannot ${verb} headers after they are sent to the client`);
  return Object.assign(error, { code: "ERR_HTTP_HEADERS_SENT" });
}
