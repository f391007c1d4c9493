/**
 * The frames on the channel to the host. The other side is workers/frames.py.
 *
 * A frame, big-endian: u32 length of the rest · u8 type · u32 id · payload. If a payload has two parts, it begins with
 * the u32 length of its first part, which is JSON. `id` is the number of the call in this worker, or 0 if the frame
 * belongs to no call. In frames from `reply` to `askCredit` and from `ask` to `replyCredit`, `id` is the number of the
 * ask (asks.ts). Frames from `body` to `bodyFail`, `bodyCredit` and `bodyCancel` carry the rest of a request body if
 * `invoke` contains only the beginning.
 */

import { Bytes, copyOf, decodeText, encodeText, lengthOf, parseJson, part, setBytes, writeJson } from "./primordials.ts";

export { decodeText, encodeText };

export const Frame = {
  load: 1,
  invoke: 2,
  cancel: 3,
  credit: 4,
  ping: 5,
  reply: 6,
  replyChunk: 7,
  replyEnd: 8,
  refused: 9,
  askCredit: 10,
  body: 11,
  bodyEnd: 12,
  bodyFail: 13,
  compile: 14,
  ready: 16,
  loaded: 17,
  failed: 18,
  head: 19,
  chunk: 20,
  done: 21,
  error: 22,
  log: 23,
  pong: 24,
  linger: 25,
  settled: 26,
  ask: 27,
  askChunk: 28,
  askEnd: 29,
  askCancel: 30,
  replyCredit: 31,
  bodyCredit: 32,
  bodyCancel: 33,
  bytecode: 34,
} as const;

export type FrameType = (typeof Frame)[keyof typeof Frame];

const LENGTH_BYTES = 4;
export const HEADER_BYTES = 9;
const FIRST_BYTES = 64 * 1024;
const EMPTY = new Bytes(0);

/** Writes the header of a frame at the index `at`. */
export function writeHeader(into: Uint8Array, at: number, type: FrameType, id: number, size: number): void {
  writeUint32(into, at, HEADER_BYTES - LENGTH_BYTES + size);
  into[at + 4] = type;
  writeUint32(into, at + 5, id);
}

/** Splits a payload into its JSON part and the bytes after it. */
export function splitPayload(payload: Uint8Array): { meta: unknown; rest: Uint8Array } {
  const end = LENGTH_BYTES + readUint32(payload, 0);
  return { meta: parseJson(decodeText(part(payload, LENGTH_BYTES, end))), rest: part(payload, end) };
}

/** Returns a payload of two parts: `meta` as JSON, then the bytes of `rest`. */
export function joinPayload(meta: unknown, rest: Uint8Array = EMPTY): Uint8Array {
  const first = encodeText(wellFormed(writeJson(meta)));
  const size = lengthOf(first);
  const payload = new Bytes(LENGTH_BYTES + size + lengthOf(rest));
  writeUint32(payload, 0, size);
  setBytes(payload, first, LENGTH_BYTES);
  setBytes(payload, rest, LENGTH_BYTES + size);
  return payload;
}

const ESCAPED = /\\(?:ud[89a-f][0-9a-f]{2}|.)/g;

/** Replaces each unpaired surrogate with U+FFFD, because the host does not accept JSON with unpaired surrogates. */
function wellFormed(json: string): string {
  return json.includes("\\ud") ? json.replace(ESCAPED, (found) => (found.length > 2 ? "\ufffd" : found)) : json;
}

export function encodeUint32(value: number): Uint8Array {
  const bytes = new Bytes(4);
  writeUint32(bytes, 0, value);
  return bytes;
}

export function writeUint32(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
}

export function readUint32(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16);
  return (high | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;
}

type OnFrame = (type: number, id: number, payload: Uint8Array) => void;

/** Assembles frames from the pieces that the socket delivers. The bytes of a large frame are copied only once. */
export class FrameReader {
  readonly #onFrame: OnFrame;
  #kept = new Bytes(FIRST_BYTES);
  #size = 0;
  #needed = LENGTH_BYTES;

  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
  }

  /**
   * Calls `onFrame` for each complete frame. The payload is a view that is valid only during the call, so copy it to
   * keep it.
   */
  push(piece: Uint8Array): void {
    const bytes = this.#size === 0 ? piece : this.#keep(piece);
    if (lengthOf(bytes) < this.#needed) {
      if (this.#size === 0) this.#keep(bytes);
      return;
    }
    const rest = this.#emit(bytes);
    this.#size = 0;
    this.#needed = LENGTH_BYTES;
    if (lengthOf(rest) === 0) return;
    if (lengthOf(rest) >= LENGTH_BYTES) this.#needed = LENGTH_BYTES + readUint32(rest, 0);
    this.#keep(copyOf(rest));
  }

  /** Adds bytes to the incomplete frame and returns all its bytes so far. */
  #keep(piece: Uint8Array): Uint8Array {
    const size = this.#size + lengthOf(piece);
    if (size > lengthOf(this.#kept)) {
      const larger = new Bytes(this.#needed > size ? this.#needed : size);
      setBytes(larger, part(this.#kept, 0, this.#size), 0);
      this.#kept = larger;
    }
    setBytes(this.#kept, piece, this.#size);
    this.#size = size;
    return part(this.#kept, 0, size);
  }

  #emit(bytes: Uint8Array): Uint8Array {
    const size = lengthOf(bytes);
    let at = 0;
    while (size - at >= LENGTH_BYTES) {
      const end = at + LENGTH_BYTES + readUint32(bytes, at);
      if (end > size) break;
      this.#onFrame(bytes[at + 4] ?? 0, readUint32(bytes, at + 5), part(bytes, at + HEADER_BYTES, end));
      at = end;
    }
    return part(bytes, at);
  }
}
