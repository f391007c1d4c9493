/** A stream of bytes that the host sends in frames. Reading the stream gives the host credit for more bytes. */

import { lengthOf } from "./primordials.ts";

const WINDOW_BYTES = 256 * 1024; // workers/limits.py has the same number
const GRANT_BYTES = WINDOW_BYTES / 2; // It would cost too much to send a frame of credit after every small read.

const Stream = ReadableStream<Uint8Array>;

export class Inbound {
  readonly stream: ReadableStream<Uint8Array>;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #unread = 0;
  #over = false;

  readonly #granted: (bytes: number) => void;

  /** Calls `granted(bytes)` when this many bytes were read, and `cancelled()` when the reader has stopped. */
  constructor(granted: (bytes: number) => void, cancelled: () => void) {
    this.#granted = granted;
    this.stream = new Stream(
      {
        start: (controller) => void (this.#controller = controller),
        pull: () => this.#grant(),
        cancel: () => {
          if (this.#over) return;
          this.#over = true;
          cancelled();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** Adds bytes to the stream, without a copy. The caller must not change them later. */
  push(bytes: Uint8Array): void {
    const size = lengthOf(bytes);
    if (this.#over || size === 0) return;
    this.#unread += size;
    this.#controller.enqueue(bytes);
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#controller.close();
  }

  fail(reason: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.#controller.error(reason);
  }

  /**
   * Sends credit for the bytes that were read. A pull of the stream means that the reader has read all earlier bytes.
   */
  #grant(): void {
    if (this.#over || this.#unread < GRANT_BYTES) return;
    const bytes = this.#unread;
    this.#unread = 0;
    this.#granted(bytes);
  }
}
