/** One call of the function: from the host's request to the last byte of the answer. */

import type { Asks } from "./asks.ts";
import { authOf } from "./auth.ts";
import type { Channel } from "./channel.ts";
import { type LogSource, type Logs } from "./console.ts";
import type { Caller, Context, Handler, Trigger } from "./context.ts";
import { dataOf, enqueueOf, type Power } from "./data.ts";
import { encodeText, encodeUint32, Frame } from "./frames.ts";
import { describe } from "./errors.ts";
import { Inbound } from "./inbound.ts";
import { callOver, problemOf } from "./problem.ts";
import { headOf } from "./response.ts";

const MAX_CHUNK_BYTES = 64 * 1024;

/**
 * `credit`: bytes of the answer that the host takes before its reader has read any.
 * `more`: what came along is only the beginning of the request's body.
 */
export type Invocation = {
  invocation: string;
  method: string;
  path: string;
  headers: [string, string][];
  caller: Caller | null;
  trigger: Trigger | null;
  credit: number;
  more: boolean;
};

/** What is the same for every call. */
export type Base = Pick<Context, "project" | "function" | "env" | "log">;

export class Run {
  readonly #later = new Set<Promise<unknown>>();
  readonly #aborter = new AbortController();
  #lingers = false;
  #rest: Inbound | undefined;
  #credit: number;
  #wake: () => void = () => {};

  constructor(
    private readonly channel: Channel,
    private readonly asks: Asks,
    private readonly logs: Logs,
    private readonly source: LogSource,
    private readonly invocation: Invocation,
  ) {
    this.#credit = invocation.credit;
  }

  grant(bytes: number): void {
    this.#credit += bytes;
    this.#wake();
  }

  cancel(reason: string): void {
    // what the function's listeners print is this call's
    this.logs.current.run(this.source, () => this.#aborter.abort(new DOMException(reason, "AbortError")));
    this.#rest?.fail(this.#aborter.signal.reason);
    this.#wake();
  }

  /** Hears of the rest of the request's body. */
  hearBody(type: number, payload: Uint8Array): void {
    switch (type) {
      case Frame.body:
        return this.#rest?.push(payload.slice());
      case Frame.bodyEnd:
        return this.#rest?.end();
      case Frame.bodyFail:
        return this.#rest?.fail(problemOf(payload));
    }
  }

  /** Never throws: what goes wrong is sent to the host, which keeps it for the log. */
  async answer(handler: Handler, base: Base, body: Uint8Array) {
    const { id } = this.source;
    await this.logs.current.run(this.source, async () => {
      try {
        await this.#send(responseOf(await handler(this.#request(body), this.#context(base))));
        this.#end(Frame.done);
      } catch (error) {
        this.#end(Frame.error, encodeText(describe(error)));
      }
      await this.#settle();
    });
    this.#rest?.fail(callOver());
    this.source.ended = true;
    if (this.#lingers) this.channel.send(Frame.settled, id);
  }

  #context(base: Base): Context {
    const { invocation, caller, trigger } = this.invocation;
    const ask = async (method: string, args: unknown, body?: Uint8Array) => {
      if (this.source.ended) throw callOver();
      const reply = await this.asks.ask({ call: this.source.id, method, args, body });
      if (reply.body instanceof Uint8Array) return reply.body;
      return new Uint8Array(await new Response(reply.body as never).arrayBuffer());
    };
    return {
      ...base,
      invocation: { id: invocation },
      caller,
      signal: this.#aborter.signal,
      data: dataOf(ask, "project"),
      as: (who) => ({ data: dataOf(ask, powerOf(who, caller)) }),
      auth: authOf(ask),
      enqueue: enqueueOf(ask),
      trigger,
      waitUntil: (promise) => this.#waitUntil(promise),
    };
  }

  #waitUntil(promise: Promise<unknown>): void {
    if (this.source.ended) throw callOver();
    const settled = Promise.resolve(promise)
      .catch((error: unknown) => this.logs.write("error", `In waitUntil: ${describe(error)}`))
      .finally(() => this.#later.delete(settled));
    this.#later.add(settled);
  }

  #end(how: typeof Frame.done | typeof Frame.error, payload?: Uint8Array): void {
    this.#lingers = this.#later.size > 0;
    if (this.#lingers) this.channel.send(Frame.linger, this.source.id);
    this.channel.send(how, this.source.id, payload);
  }

  /** What is waited for may itself ask to wait for more. */
  async #settle(): Promise<void> {
    while (this.#later.size > 0) await Promise.all(this.#later);
  }

  #request(body: Uint8Array): Request {
    const { method, path, headers } = this.invocation;
    const host = headers.find(([name]) => name === "host")?.[1] ?? "";
    const origin = URL.canParse(`http://${host}/`) ? `http://${host}` : "http://function";
    return new Request(origin + path, {
      method,
      headers,
      signal: this.#aborter.signal,
      body: this.#body(body) as Uint8Array<ArrayBuffer> | null,
      duplex: "half",
    } as RequestInit);
  }

  #body(beginning: Uint8Array): Uint8Array | ReadableStream<Uint8Array> | null {
    const { method, more } = this.invocation;
    const { id } = this.source;
    if (method === "GET" || method === "HEAD") return null;
    if (!more) return beginning.length === 0 ? null : beginning;
    this.#rest = new Inbound(
      (bytes) => this.channel.send(Frame.bodyCredit, id, encodeUint32(bytes)),
      () => this.channel.send(Frame.bodyCancel, id),
    );
    this.#rest.push(beginning);
    return this.#rest.stream;
  }

  async #send(response: Response): Promise<void> {
    const { id } = this.source;
    this.channel.send(Frame.head, id, encodeText(JSON.stringify(headOf(response))));
    if (response.body === null) return;
    const reader = response.body.getReader();
    const { signal } = this.#aborter;
    const stop = () => void reader.cancel(signal.reason).catch(() => {});
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop);
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      await this.#sendBytes(bytesOf(part.value));
    }
  }

  async #sendBytes(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      while (this.#credit <= 0 && !this.#aborter.signal.aborted) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
      if (this.#aborter.signal.aborted) return;
      const end = Math.min(at + MAX_CHUNK_BYTES, at + this.#credit, bytes.length);
      this.channel.send(Frame.chunk, this.source.id, bytes.subarray(at, end));
      this.#credit -= end - at;
      at = end;
    }
  }
}

/** Nobody else can be named: what only this call's token vouches for (role, claims) cannot be made up here. */
function powerOf(who: Caller | null, caller: Caller | null): Power {
  if (who === null) return "visitor";
  if (who !== caller) throw new TypeError("ctx.as takes ctx.caller, or null for somebody who is not signed in.");
  return "caller";
}

function responseOf(value: unknown): Response {
  if (value instanceof Response) return value;
  return value === undefined ? new Response(null, { status: 204 }) : Response.json(value);
}

function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === "string") return encodeText(value);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  throw new TypeError(`A response body is made of bytes or text, not of ${typeof value}.`);
}
