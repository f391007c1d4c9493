/**
 * The worker's only connection: the socket that it inherited as descriptor 3. When the socket closes, the worker ends.
 */

import { Frame, type FrameReader, type FrameType, HEADER_BYTES, writeHeader } from "./frames.ts";
import { atEndOfRound, Bytes, lengthOf, part, setBytes } from "./primordials.ts";

const CHANNEL_FD = 3;
const FIRST_BYTES = 64 * 1024;
const MAX_KEPT_BYTES = 1024 * 1024; // A small buffer replaces a buffer that has grown beyond this size.
const MAX_CHUNK_BYTES = 64 * 1024;
const EMPTY = new Bytes(0);

// This is the original function, because exits.ts replaces the members of `process`.
const quit = (Reflect.get(process, "reallyExit") as (code: number) => never).bind(process);

type Socket = { write(data: Uint8Array): number };

/**
 * True for frames that are sent at the end of this turn of the event loop, because more pieces of the same body may
 * follow.
 */
function isPatient(type: FrameType): boolean {
  return type === Frame.head || type === Frame.linger || isBody(type);
}

function isBody(type: FrameType): boolean {
  return type === Frame.chunk || type === Frame.askChunk;
}

/**
 * The connection to the host. `send` collects frames in one buffer, so that many frames need only one write and one
 * read.
 */
export class Channel {
  #write: ((bytes: Uint8Array) => number) | undefined;
  #buffer = new Bytes(FIRST_BYTES);
  #begin = 0; // The bytes before this index have been sent.
  #end = 0;
  // If the last frame is a piece of a body, this is its index, and the next piece is added to the same frame.
  #bodyAt = -1;
  #bodyType = 0;
  #bodyId = 0;
  #bodyBytes = 0;
  #full = false;
  #flushing = false;

  async open(reader: FrameReader): Promise<void> {
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
    } as never); // Bun's types lack `fd`
    this.#write = socket.write.bind(socket);
  }

  /** Sends a frame, at once or at the end of this turn of the event loop. Before `open`, frames are dropped. */
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
    if (this.#full || this.#begin === this.#end) return; // If the socket is full, `drain` calls this method again.
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
