/**
 * Asks: the requests of the function to the host, which is the server. The other side is workers/asks.py. Bodies stream
 * with credit.
 */

import type { Channel } from "./channel.ts";
import { encodeUint32, Frame, joinPayload, readUint32, splitPayload } from "./frames.ts";
import { Inbound } from "./inbound.ts";
import { Bytes, copyOf, lengthOf, Line, NativePromise, part, SafeMap, smallest } from "./primordials.ts";
import { argsTooLarge, type Problem, problemOf } from "./problem.ts";
import { abortedAt, callSite, thrownAt } from "./stacks.ts";

// workers/limits.py has the same numbers. The host kills a worker that exceeds a limit.
const MAX_ASKS = 64;
const MAX_WHOLE_BYTES = 64 * 1024;
const MAX_ARGS_BYTES = 128 * 1024; // This limit and MAX_WHOLE_BYTES together stay well below MAX_FRAME_BYTES.
const WINDOW_BYTES = 256 * 1024;

const MAX_CHUNK_BYTES = 64 * 1024;
const EMPTY = new Bytes(0);

export type Body = Uint8Array | ReadableStream<Uint8Array>;

/**
 * One ask. `call`: the number of the call. `explain`: converts the host's problem to the error that the function sees.
 * `site`: the place in the function's code that sends the ask, for the stack of the error; default: the caller of
 * `ask`.
 */
export type Question = {
  call: number;
  method: string;
  args: unknown;
  body?: Body | undefined;
  signal?: AbortSignal;
  explain?: (problem: Problem) => Error;
  site?: Error;
};

/** The host's reply. `body`: bytes if it arrived in one piece, otherwise a stream. */
export type Reply = { head: unknown; body: Body };

export class Asks {
  readonly #channel: Channel;
  readonly #open: SafeMap<number, Ask> = new SafeMap<number, Ask>();
  readonly #waiting = new Line<() => void>();
  #number = 0;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Sends an ask and waits for the reply. Throws a Problem if the host refuses, or the signal's reason if aborted. */
  async ask(question: Question): Promise<Reply> {
    // The place is determined here, because after the first `await` the caller is no longer on the stack.
    const site = question.site ?? callSite();
    question.signal?.throwIfAborted();
    // This may throw, so it must run before the ask occupies one of the MAX_ASKS places.
    const opening = openingOf(question, site);
    while (this.#open.size >= MAX_ASKS) await new NativePromise<void>((resolve) => this.#waiting.add(resolve));
    question.signal?.throwIfAborted();
    const id = this.#nextNumber();
    const ask = new Ask(this.#channel, id, site);
    this.#open.set(id, ask);
    return ask.start(question, opening);
  }

  onFrame(type: number, id: number, payload: Uint8Array): void {
    const ask = this.#open.get(id);
    if (ask === undefined || !ask.hear(type, payload)) return;
    this.#open.delete(id);
    this.#waiting.take()?.();
  }

  #nextNumber(): number {
    do this.#number = (this.#number + 1) % 0xffffffff;
    while (this.#open.has(this.#number));
    return this.#number;
  }
}

function openingOf(
  { call, method, args, body = EMPTY, explain = (problem) => problem }: Question,
  site: Error,
): Uint8Array {
  const whole = isWhole(body) ? body : undefined;
  const opening = joinPayload({ call, method, args, more: whole === undefined }, whole);
  if (lengthOf(opening) - (whole === undefined ? 0 : lengthOf(whole)) > MAX_ARGS_BYTES) {
    throw thrownAt(explain(argsTooLarge()), site);
  }
  return opening;
}

function isWhole(body: Body): body is Uint8Array {
  return body instanceof Bytes && lengthOf(body) <= MAX_WHOLE_BYTES;
}

class Ask {
  readonly #channel: Channel;
  readonly #id: number;
  readonly #site: Error;
  #credit = WINDOW_BYTES;
  #wake: () => void = () => {};
  #over = false;
  #inbound: Inbound | undefined;
  #stopBody: () => void = () => {};
  #explain: (problem: Problem) => Error = (problem) => problem;
  #cleanUp: () => void = () => {};
  #resolve!: (reply: Reply) => void;
  #reject!: (reason: unknown) => void;

  constructor(channel: Channel, id: number, site: Error) {
    this.#channel = channel;
    this.#id = id;
    this.#site = site;
  }

  start({ body = EMPTY, signal, explain }: Question, opening: Uint8Array): Promise<Reply> {
    if (explain !== undefined) this.#explain = explain;
    const replied = new NativePromise<Reply>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#channel.send(Frame.ask, this.#id, opening);
    if (!isWhole(body)) void this.#sendBody(body);
    if (signal !== undefined) {
      const abort = () => this.#abort(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      this.#cleanUp = () => signal.removeEventListener("abort", abort);
    }
    return replied;
  }

  /** Processes a frame of the host. Returns true if the ask has ended. */
  hear(type: number, payload: Uint8Array): boolean {
    switch (type) {
      case Frame.askCredit:
        this.#credit += readUint32(payload, 0);
        this.#wake();
        return false;
      case Frame.reply:
        return this.#hearReply(payload);
      case Frame.replyChunk:
        this.#inbound?.push(copyOf(payload));
        return false;
      case Frame.replyEnd:
        this.#inbound?.end();
        this.#end();
        return true;
      case Frame.refused:
        this.#fail(thrownAt(this.#explain(problemOf(payload)), this.#site));
        return true;
      default:
        return false;
    }
  }

  #hearReply(payload: Uint8Array): boolean {
    const { meta, rest } = splitPayload(payload);
    const { head, more } = meta as { head: unknown; more?: boolean };
    if (more !== true) {
      this.#resolve({ head, body: copyOf(rest) });
      this.#end();
      return true;
    }
    if (this.#over) return false; // the host sent the reply before our cancel arrived
    this.#inbound = new Inbound(
      (bytes) => this.#channel.send(Frame.replyCredit, this.#id, encodeUint32(bytes)),
      () => this.#abort(new DOMException("The body was cancelled.", "AbortError")),
    );
    this.#resolve({ head, body: this.#inbound.stream });
    return false;
  }

  async #sendBody(body: Body): Promise<void> {
    try {
      if (body instanceof Bytes) {
        await this.#sendBytes(body);
      } else {
        const reader = body.getReader();
        this.#stopBody = () => void reader.cancel().catch(() => {});
        for (let read = await reader.read(); !read.done; read = await reader.read()) {
          if (!(read.value instanceof Bytes)) throw new TypeError("A request's body must be bytes.");
          await this.#sendBytes(read.value);
        }
      }
      if (!this.#over) this.#channel.send(Frame.askEnd, this.#id);
    } catch (error) {
      this.#abort(error);
    }
  }

  async #sendBytes(bytes: Uint8Array): Promise<void> {
    const size = lengthOf(bytes);
    for (let at = 0; at < size && !this.#over; ) {
      while (this.#credit <= 0 && !this.#over) await new NativePromise<void>((resolve) => (this.#wake = resolve));
      if (this.#over) return;
      const end = at + smallest(MAX_CHUNK_BYTES, this.#credit, size - at);
      this.#channel.send(Frame.askChunk, this.#id, part(bytes, at, end));
      this.#credit -= end - at;
      at = end;
    }
  }

  /** Cancels the ask. The place of the ask stays occupied until the host confirms that the ask has stopped. */
  #abort(reason: unknown): void {
    if (this.#over) return;
    this.#channel.send(Frame.askCancel, this.#id);
    this.#fail(abortedAt(reason, this.#site));
  }

  #fail(reason: unknown): void {
    if (this.#over) return;
    this.#reject(reason);
    this.#inbound?.fail(reason);
    this.#end();
  }

  #end(): void {
    this.#over = true;
    this.#cleanUp();
    this.#wake();
    this.#stopBody();
  }
}
