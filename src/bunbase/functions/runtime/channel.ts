/** The one connection of a worker: the socket it inherited as file descriptor 3. When it ends, so does the worker. */

import { Frame, type FrameReader, type FrameType, HEADER_BYTES, writeHeader } from "./frames.ts";
import { atEndOfRound, Bytes, lengthOf, part, setBytes } from "./primordials.ts";

const CHANNEL_FD = 3;
const FIRST_BYTES = 64 * 1024;
const MAX_KEPT_BYTES = 1024 * 1024; // of a buffer that once had to be larger
const MAX_CHUNK_BYTES = 64 * 1024;
const EMPTY = new Bytes(0);

type Socket = { write(data: Uint8Array): number };

/** What an answer or a body begins with waits for the end of this round of the event loop: more may be there by then. */
function isPatient(type: FrameType): boolean {
  return type === Frame.head || type === Frame.linger || isBody(type);
}

function isBody(type: FrameType): boolean {
  return type === Frame.chunk || type === Frame.askChunk;
}

/** `send` writes frames into one buffer, which leaves whole: one write here, one read on the other side. */
export class Channel {
  #write: ((bytes: Uint8Array) => number) | undefined;
  #buffer = new Bytes(FIRST_BYTES);
  #begin = 0; // what is before it has left
  #end = 0;
  #bodyAt = -1; // of a frame that more of the same body can join: pieces of a byte would cost a frame each
  #bodyType = 0;
  #bodyId = 0;
  #bodyBytes = 0;
  #full = false;
  #flushing = false;

  async open(reader: FrameReader): Promise<void> {
    const quit = process.exit.bind(process);
    const exit = () => quit(0);
    const socket: Socket = await Bun.connect({
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
    this.#write = socket.write.bind(socket);
  }

  /** Goes nowhere before `open`. */
  send(type: FrameType, id: number, payload: Uint8Array = EMPTY): void {
    if (this.#write === undefined) return;
    if (!this.#join(type, id, payload)) this.#add(type, id, payload);
    if (!isPatient(type)) return this.#flush();
    if (this.#flushing) return;
    this.#flushing = true;
    atEndOfRound(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #add(type: FrameType, id: number, payload: Uint8Array): void {
    const size = lengthOf(payload);
    this.#reserve(HEADER_BYTES + size);
    writeHeader(this.#buffer, this.#end, type, id, size);
    setBytes(this.#buffer, payload, this.#end + HEADER_BYTES);
    this.#bodyAt = isBody(type) ? this.#end : -1;
    this.#bodyType = type;
    this.#bodyId = id;
    this.#bodyBytes = size;
    this.#end += HEADER_BYTES + size;
  }

  #join(type: FrameType, id: number, payload: Uint8Array): boolean {
    const size = lengthOf(payload);
    if (this.#bodyAt < 0 || this.#bodyType !== type || this.#bodyId !== id) return false;
    if (this.#bodyBytes + size > MAX_CHUNK_BYTES) return false;
    this.#reserve(size);
    setBytes(this.#buffer, payload, this.#end);
    this.#end += size;
    this.#bodyBytes += size;
    writeHeader(this.#buffer, this.#bodyAt, type, id, this.#bodyBytes);
    return true;
  }

  #reserve(size: number): void {
    if (this.#end + size <= lengthOf(this.#buffer)) return;
    const waiting = this.#end - this.#begin;
    const needed = 2 * (waiting + size);
    const buffer = new Bytes(needed > FIRST_BYTES ? needed : FIRST_BYTES);
    setBytes(buffer, part(this.#buffer, this.#begin, this.#end), 0);
    if (this.#bodyAt >= 0) this.#bodyAt -= this.#begin;
    this.#buffer = buffer;
    this.#begin = 0;
    this.#end = waiting;
  }

  #flush(): void {
    if (this.#full || this.#begin === this.#end) return; // `drain` goes on
    this.#bodyAt = -1;
    const waiting = this.#end - this.#begin;
    const written = this.#write?.(part(this.#buffer, this.#begin, this.#end)) ?? 0;
    this.#full = written < waiting;
    if (this.#full) {
      this.#begin += written > 0 ? written : 0;
      return;
    }
    this.#begin = this.#end = 0;
    if (lengthOf(this.#buffer) > MAX_KEPT_BYTES) this.#buffer = new Bytes(FIRST_BYTES);
  }
}
