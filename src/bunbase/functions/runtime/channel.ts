/** The one connection of a worker: the socket it inherited as file descriptor 3. When it ends, so does the worker. */

import { encodeFrame, Frame, type FrameReader, type FrameType, joined } from "./frames.ts";

const CHANNEL_FD = 3;

/** What an answer begins with waits for the end of this round of the event loop: the rest may be there by then. */
const PATIENT: ReadonlySet<FrameType> = new Set<FrameType>([Frame.head, Frame.chunk, Frame.linger]);

type Socket = { write(data: Uint8Array): number };

const atEndOfRound = setImmediate;

export class Channel {
  #socket: Socket | undefined;
  #queue: Uint8Array[] = [];
  #full = false;
  #flushing = false;

  async open(reader: FrameReader): Promise<void> {
    const exit = () => process.exit(0);
    this.#socket = await Bun.connect({
      fd: CHANNEL_FD,
      socket: {
        data: (_socket: unknown, data: Uint8Array) => reader.push(data),
        drain: () => {
          this.#full = false;
          this.#flush();
        },
        close: exit,
        end: exit,
        error: exit,
      },
    } as never); // Bun's types do not know that a socket may be made from a descriptor
  }

  /** A small answer leaves in one piece: one write here, one read on the other side. Goes nowhere before `open`. */
  send(type: FrameType, id: number, payload?: Uint8Array): void {
    if (this.#socket === undefined) return;
    this.#queue.push(encodeFrame(type, id, payload));
    if (!PATIENT.has(type)) return this.#flush();
    if (this.#flushing) return;
    this.#flushing = true;
    atEndOfRound(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#full || this.#queue.length === 0) return; // `drain` goes on
    const whole = this.#queue.length === 1 ? (this.#queue[0] as Uint8Array) : joined(this.#queue);
    const written = this.#socket?.write(whole) ?? 0;
    this.#full = written < whole.length;
    this.#queue = this.#full ? [whole.subarray(Math.max(written, 0))] : [];
  }
}
