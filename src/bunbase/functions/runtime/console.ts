/**
 * Captures the output of a function as log lines. This module limits the length of a line and of all lines of a call.
 */

import { AsyncLocalStorage } from "node:async_hooks";

import type { Channel } from "./channel.ts";
import type { Level, Log } from "./context.ts";
import { Frame } from "./frames.ts";
import { Bytes, encodeText, encodeTextInto, lengthOf, part, setBytes, uncurried } from "./primordials.ts";
import { capturePrinting, type Indent } from "./printing.ts";
import { withoutServerFrames } from "./stacks.ts";

// workers/limits.py has the same numbers. The host kills a worker that logs more.
const MAX_LINE_BYTES = 8 * 1024;
const MAX_CALL_BYTES = 64 * 1024;
const LINE_OVERHEAD_BYTES = 16;

const LEVEL_NUMBER: Record<Level, number> = { debug: 0, info: 1, warn: 2, error: 3 };
const CUT = "… the rest of the log of this call was dropped";

const storeOf = uncurried(AsyncLocalStorage.prototype.getStore);
const runWith = uncurried(AsyncLocalStorage.prototype.run) as (self: unknown, store: unknown, work: unknown) => unknown;

/** The log of one call. With `id` 0, the log of the worker itself, for output outside of calls. */
export class LogSource {
  bytes = 0;
  full = false;
  ended = false;
  readonly indent: Indent = { depth: 0 };

  readonly #id: number;

  constructor(id: number) {
    this.#id = id;
  }

  get id(): number {
    return this.#id;
  }
}

export class Logs {
  readonly #current = new AsyncLocalStorage<LogSource>();
  readonly #background = new LogSource(0);
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Returns the log of the current call, or undefined outside of calls. */
  current(): LogSource | undefined {
    return storeOf(this.#current) as LogSource | undefined;
  }

  /** Runs `work` so that its output goes to `source`. */
  speaking<T>(source: LogSource, work: () => T): T {
    return runWith(this.#current, source, work) as T;
  }

  write(level: Level, printed: string): void {
    const source = this.#speaker();
    if (source.full) return;
    const text = withoutServerFrames(printed);
    const buffer = new Bytes(text.length * 3 < MAX_LINE_BYTES ? text.length * 3 : MAX_LINE_BYTES);
    const { read, written } = encodeTextInto(text, buffer);
    source.bytes += written + LINE_OVERHEAD_BYTES;
    source.full = source.bytes > MAX_CALL_BYTES;
    if (source.full) return this.#send(source, level, encodeText(CUT), true);
    this.#send(source, level, part(buffer, 0, written), read < text.length);
  }

  /** Redirects the global console and the standard output to the log, and returns `ctx.log`. */
  capture(): Log {
    return capturePrinting(
      (level, text) => this.write(level, text),
      () => this.#speaker().indent,
    );
  }

  #speaker(): LogSource {
    const speaker = this.current();
    return speaker === undefined || speaker.ended ? this.#background : speaker;
  }

  #send(source: LogSource, level: Level, text: Uint8Array, truncated: boolean): void {
    const payload = new Bytes(2 + lengthOf(text));
    payload[0] = LEVEL_NUMBER[level];
    payload[1] = truncated ? 1 : 0;
    setBytes(payload, text, 2);
    this.#channel.send(Frame.log, source.id, payload);
  }
}
