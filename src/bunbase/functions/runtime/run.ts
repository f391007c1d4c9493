/** One call of the function: from the request to the last byte of the answer and the end of its waitUntil work. */

import type { Asks } from "./asks.ts";
import { authOf } from "./auth.ts";
import type { Channel } from "./channel.ts";
import { type LogSource, type Logs } from "./console.ts";
import type { Caller, Context, Handler, Trigger } from "./context.ts";
import { channelsOf } from "./channels.ts";
import { dataOf, enqueueOf, type Power } from "./data.ts";
import { encodeText, encodeUint32, Frame } from "./frames.ts";
import { describe } from "./errors.ts";
import { Inbound } from "./inbound.ts";
import { callOver, problemOf } from "./problem.ts";
import {
  Bytes,
  copyOf,
  lengthOf,
  NativePromise,
  part,
  smallest,
  startTimer,
  stopTimer,
  writeJson,
} from "./primordials.ts";
import { bodyOf, headOf, responseOf } from "./response.ts";

const MAX_CHUNK_BYTES = 64 * 1024;

/**
 * The head of an answer waits for the first bytes of the body, at most for this time. Before the head is sent, an error
 * can still become a 500. Afterwards, an error cuts off the answer.
 */
const SILENT_MS = 1000;
const SILENT_EVENTS_MS = 20; // Clients of server-sent events wait for the head to know that they are connected.

type AnswerHead = ReturnType<typeof headOf>;

/**
 * The JSON part of an INVOKE frame. `credit`: the bytes of the answer that may be sent before the client reads. `more`:
 * true if the frame contains only the beginning of the request's body. `hook`: the hook that answers instead of the
 * handler; empty for all other calls. Only the host can set `hook`, and no request can.
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
  hook: string;
};

/** The members of the context that are the same for every call. */
export type Base = Pick<Context, "project" | "function" | "env" | "log">;

export class Run {
  readonly #channel: Channel;
  readonly #asks: Asks;
  readonly #logs: Logs;
  readonly #source: LogSource;
  readonly #invocation: Invocation;
  readonly #later = new Set<Promise<unknown>>();
  readonly #aborter = new AbortController();
  #lingers = false;
  #rest: Inbound | undefined;
  #credit: number;
  #wake: () => void = () => {};

  constructor(channel: Channel, asks: Asks, logs: Logs, source: LogSource, invocation: Invocation) {
    this.#channel = channel;
    this.#asks = asks;
    this.#logs = logs;
    this.#source = source;
    this.#invocation = invocation;
    this.#credit = invocation.credit;
  }

  grant(bytes: number): void {
    this.#credit += bytes;
    this.#wake();
  }

  cancel(reason: string): void {
    // This runs inside of `speaking`, so that the output of the function's abort listeners goes to the log of this
    // call.
    this.#logs.speaking(this.#source, () => this.#aborter.abort(new DOMException(reason, "AbortError")));
    this.#rest?.fail(this.#aborter.signal.reason);
    this.#wake();
  }

  /** Processes a frame with the rest of the request's body. */
  hearBody(type: number, payload: Uint8Array): void {
    switch (type) {
      case Frame.body:
        return this.#rest?.push(copyOf(payload));
      case Frame.bodyEnd:
        return this.#rest?.end();
      case Frame.bodyFail:
        return this.#rest?.fail(problemOf(payload));
    }
  }

  /** Calls the handler and sends its answer. Never throws: errors go to the host, which writes them to the log. */
  async answer(handler: Handler, base: Base, body: Uint8Array) {
    const { id } = this.#source;
    await this.#logs.speaking(this.#source, async () => {
      try {
        await this.#send(responseOf(await handler(this.#request(body), this.#context(base))));
        this.#end(Frame.done);
      } catch (error) {
        this.#end(Frame.error, encodeText(describe(error)));
      }
      await this.#settle();
    });
    this.#rest?.fail(callOver());
    this.#source.ended = true;
    if (this.#lingers) this.#channel.send(Frame.settled, id);
  }

  #context(base: Base): Context {
    const { invocation, caller, trigger } = this.#invocation;
    const ask = async (method: string, args: unknown, body?: Uint8Array) => {
      if (this.#source.ended) throw callOver();
      const reply = await this.#asks.ask({ call: this.#source.id, method, args, body });
      if (reply.body instanceof Uint8Array) return reply.body;
      return new Uint8Array(await new Response(reply.body as never).arrayBuffer());
    };
    return {
      ...base,
      invocation: { id: invocation },
      caller,
      signal: this.#aborter.signal,
      data: dataOf(ask, "project"),
      channels: channelsOf(ask, "project"),
      as: (who) => {
        const power = powerOf(who, caller);
        return { data: dataOf(ask, power), channels: channelsOf(ask, power) };
      },
      auth: authOf(ask),
      enqueue: enqueueOf(ask),
      trigger,
      waitUntil: (promise) => this.#waitUntil(promise),
    };
  }

  #waitUntil(promise: Promise<unknown>): void {
    if (this.#source.ended) throw callOver();
    const settled = Promise.resolve(promise)
      .catch((error: unknown) => this.#logs.write("error", `In waitUntil: ${describe(error)}`))
      .finally(() => this.#later.delete(settled));
    this.#later.add(settled);
  }

  #end(how: typeof Frame.done | typeof Frame.error, payload?: Uint8Array): void {
    this.#lingers = this.#later.size > 0;
    if (this.#lingers) this.#channel.send(Frame.linger, this.#source.id);
    this.#channel.send(how, this.#source.id, payload);
  }

  /** Waits for all promises of waitUntil, in a loop, because their work may call waitUntil again. */
  async #settle(): Promise<void> {
    while (this.#later.size > 0) await Promise.all(this.#later);
  }

  #request(body: Uint8Array): Request {
    const { method, path, headers } = this.#invocation;
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
    const { method, more } = this.#invocation;
    const { id } = this.#source;
    if (method === "GET" || method === "HEAD") return null;
    if (!more) return beginning.length === 0 ? null : beginning;
    this.#rest = new Inbound(
      (bytes) => this.#channel.send(Frame.bodyCredit, id, encodeUint32(bytes)),
      () => this.#channel.send(Frame.bodyCancel, id),
    );
    this.#rest.push(beginning);
    return this.#rest.stream;
  }

  /** Sends the answer. Errors in the head are thrown before anything is sent, so that the client gets a 500. */
  async #send(response: Response): Promise<void> {
    // The head is read before the body, because afterwards Bun no longer adds the content type.
    const head = headOf(response);
    const reader = bodyOf(response);
    if (reader === undefined) return this.#sendHead(head);
    const { signal } = this.#aborter;
    const stop = () => void reader.cancel(signal.reason).catch(() => {});
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop);
    const silent = this.#sendHeadIfSilent(head);
    try {
      for (let read = await reader.read(); !read.done; read = await reader.read()) {
        const bytes = bytesOf(read.value);
        if (lengthOf(bytes) === 0) continue;
        silent.over();
        await this.#sendBytes(bytes);
      }
      silent.over();
    } finally {
      silent.stop();
    }
  }

  #sendHead(head: AnswerHead): void {
    this.#channel.send(Frame.head, this.#source.id, encodeText(writeJson(head)));
  }

  /**
   * Holds back the head until the body begins (`over`), but at most SILENT_MS. A reader of server-sent events gets the
   * head after SILENT_EVENTS_MS, because the reader waits for the head to know that it is connected, and the first
   * event may come hours later.
   */
  #sendHeadIfSilent(head: AnswerHead): { over: () => void; stop: () => void } {
    let held = true;
    const over = () => {
      if (held) this.#sendHead(head);
      held = false;
    };
    const timer = startTimer(over, isOfEvents(head) ? SILENT_EVENTS_MS : SILENT_MS);
    const stop = () => {
      held = false;
      stopTimer(timer);
    };
    return { over, stop };
  }

  async #sendBytes(bytes: Uint8Array): Promise<void> {
    const size = lengthOf(bytes);
    for (let at = 0; at < size; ) {
      while (this.#credit <= 0 && !this.#aborter.signal.aborted) {
        await new NativePromise<void>((resolve) => (this.#wake = resolve));
      }
      if (this.#aborter.signal.aborted) return;
      const end = at + smallest(MAX_CHUNK_BYTES, this.#credit, size - at);
      this.#channel.send(Frame.chunk, this.#source.id, part(bytes, at, end));
      this.#credit -= end - at;
      at = end;
    }
  }
}

function isOfEvents({ headers }: AnswerHead): boolean {
  return headers.some(([name, value]) => name === "content-type" && /^text\/event-stream\b/i.test(value));
}

/** Accepts only the caller of this call, because no token would prove the role and claims of another user. */
function powerOf(who: Caller | null, caller: Caller | null): Power {
  if (who === null) return "visitor";
  if (who !== caller) throw new TypeError("ctx.as takes ctx.caller, or null for a visitor who is not signed in.");
  return "caller";
}

function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Bytes) return value;
  if (typeof value === "string") return encodeText(value);
  if (value instanceof ArrayBuffer) return new Bytes(value);
  if (ArrayBuffer.isView(value)) return new Bytes(value.buffer, value.byteOffset, value.byteLength);
  throw new TypeError(`A response body must be bytes or text, not ${typeof value}.`);
}
