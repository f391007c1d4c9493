/** Bytes that come from the host in frames, as a stream that asks for more as it is read. */

import { lengthOf } from "./primordials.ts";

const WINDOW_BYTES = 256 * 1024; // keep in step with workers/limits.py
const GRANT_BYTES = WINDOW_BYTES / 2; // granting every little read would cost a frame each

const Stream = ReadableStream<Uint8Array>;

export class Inbound {
  readonly stream: ReadableStream<Uint8Array>;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #unread = 0;
  #over = false;

  readonly #granted: (bytes: number) => void;

  /** `granted(bytes)`: so much was read. `cancelled(reason)`: nobody reads it any more. */
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

  /** Takes the bytes over: they must not be a view into what changes. */
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

  /** Whoever pulls has read what was enqueued before. */
  #grant(): void {
    if (this.#over || this.#unread < GRANT_BYTES) return;
    const bytes = this.#unread;
    this.#unread = 0;
    this.#granted(bytes);
  }
}
