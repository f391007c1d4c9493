/** The content of a resumable upload, in parts that can be sent again. */

import type { Streamed, Whole } from "./content.js";

/** @internal */
export const PART_BYTES = 8 << 20;

/** @internal */
export interface Source {
  /** The number of bytes, or undefined if it is not known before the end. */
  readonly size: number | undefined;
  /** Returns the bytes at `offset`, and whether they are the last ones. */
  at(offset: number): Promise<{ bytes: Whole; last: boolean }>;
  /** Ends the stream that is being read. */
  cancel(): Promise<void>;
}

/** @internal */
export function wholeSource(content: Whole, size: number): Source {
  return {
    size,
    async at(offset) {
      const end = Math.min(offset + PART_BYTES, size);
      const bytes = content instanceof Uint8Array ? content.subarray(offset, end) : content.slice(offset, end);
      return { bytes, last: end === size };
    },
    async cancel() {},
  };
}

/** Reads a stream. It keeps one part in memory, so the upload can only continue within this part. @internal */
export class StreamSource implements Source {
  readonly size: undefined;
  readonly #next: () => Promise<IteratorResult<Uint8Array, unknown>>;
  readonly #cancel: () => Promise<unknown>;
  #start = 0;
  #part = new Uint8Array(0);
  #rest = new Uint8Array(0);
  #ended = false;

  constructor(stream: Streamed) {
    if (Symbol.asyncIterator in stream) {
      const items = stream[Symbol.asyncIterator]();
      this.#next = () => items.next();
      this.#cancel = async () => items.return?.();
    } else {
      const reader = (stream as ReadableStream<Uint8Array>).getReader();
      this.#next = async () => reader.read() as Promise<IteratorResult<Uint8Array, unknown>>;
      this.#cancel = () => reader.cancel();
    }
  }

  async at(offset: number): Promise<{ bytes: Uint8Array<ArrayBuffer>; last: boolean }> {
    if (offset < this.#start) throw new TypeError("The upload cannot continue with this stream: upload its content again.");
    while (offset >= this.#start + this.#part.length && !this.#isLast) {
      this.#start += this.#part.length;
      this.#part = await this.#read();
    }
    return { bytes: this.#part.subarray(offset - this.#start), last: this.#isLast };
  }

  async cancel(): Promise<void> {
    await this.#cancel();
  }

  get #isLast(): boolean {
    return this.#ended && !this.#rest.length;
  }

  /** Returns the next part. It reads one piece more than the part, to learn whether the part is the last one. */
  async #read(): Promise<Uint8Array<ArrayBuffer>> {
    const pieces: Uint8Array[] = [this.#rest];
    let size = this.#rest.length;
    while (size <= PART_BYTES && !this.#ended) {
      const { done, value } = await this.#next();
      if (done) this.#ended = true;
      else if (!(value instanceof Uint8Array)) throw new TypeError("The stream must have chunks of bytes (Uint8Array).");
      else {
        pieces.push(value);
        size += value.length;
      }
    }
    const whole = new Uint8Array(size);
    let at = 0;
    for (const piece of pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    this.#rest = whole.slice(PART_BYTES);
    return whole.subarray(0, PART_BYTES);
  }
}
