/** The one connection of a worker: the socket it inherited as file descriptor 3. When it ends, so does the worker. */

import { encodeFrame, type FrameReader, type FrameType } from "./frames.ts";

const CHANNEL_FD = 3;

type Socket = { write(data: Uint8Array): number };

export class Channel {
  #socket: Socket | undefined;
  #queue: Uint8Array[] = [];

  async open(reader: FrameReader): Promise<void> {
    const exit = () => process.exit(0);
    this.#socket = await Bun.connect({
      fd: CHANNEL_FD,
      socket: {
        data: (_socket: unknown, data: Uint8Array) => reader.push(data),
        drain: () => this.#flush(),
        close: exit,
        end: exit,
        error: exit,
      },
    } as never); // Bun's types do not know that a socket may be made from a descriptor
  }

  send(type: FrameType, id: number, payload?: Uint8Array): void {
    this.#queue.push(encodeFrame(type, id, payload));
    if (this.#queue.length === 1) this.#flush();
  }

  #flush(): void {
    for (let frame = this.#queue[0]; frame !== undefined; frame = this.#queue[0]) {
      const written = this.#socket?.write(frame) ?? 0;
      if (written < frame.length) {
        if (written > 0) this.#queue[0] = frame.subarray(written);
        return; // `drain` goes on
      }
      this.#queue.shift();
    }
  }
}
