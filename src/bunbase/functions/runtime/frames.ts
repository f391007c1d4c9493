/**
 * Frames on the channel to the host, the twin of workers/frames.py.
 *
 * u32 length of the rest · u8 type · u32 id · payload, big-endian. Where a payload has two parts, the first (JSON) is
 * led by its own u32 length. `id` is the call's number in this worker, 0 for what belongs to none;
 * of frames from `reply` to `askCredit` and from `ask` to `replyCredit` it is the number of the ask (asks.ts).
 * Frames from `body` to `bodyFail`, `bodyCredit` and `bodyCancel` carry what did not come with `invoke`.
 */

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
const HEADER_BYTES = 9;
const EMPTY = new Uint8Array(0);

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeText(text: string): Uint8Array {
  return encoder.encode(text);
}

export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

export function encodeFrame(type: FrameType, id: number, payload: Uint8Array = EMPTY): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + payload.length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, HEADER_BYTES - LENGTH_BYTES + payload.length);
  view.setUint8(4, type);
  view.setUint32(5, id);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

/** Splits a payload into its JSON part and the bytes behind it. */
export function splitPayload(payload: Uint8Array): { meta: unknown; rest: Uint8Array } {
  const length = readUint32(payload, 0);
  const end = LENGTH_BYTES + length;
  return { meta: JSON.parse(decodeText(payload.subarray(LENGTH_BYTES, end))), rest: payload.subarray(end) };
}

/** Makes a payload of two parts: JSON, and the bytes behind it. */
export function joinPayload(meta: unknown, rest: Uint8Array = EMPTY): Uint8Array {
  const first = encodeText(wellFormed(JSON.stringify(meta)));
  const payload = new Uint8Array(LENGTH_BYTES + first.length + rest.length);
  new DataView(payload.buffer).setUint32(0, first.length);
  payload.set(first, LENGTH_BYTES);
  payload.set(rest, LENGTH_BYTES + first.length);
  return payload;
}

const ESCAPED = /\\(?:ud[89a-f][0-9a-f]{2}|.)/g;

/** Half a surrogate pair is no Unicode, and the host reads no JSON with one: as in UTF-8 it becomes U+FFFD. */
function wellFormed(json: string): string {
  return json.includes("\\ud") ? json.replace(ESCAPED, (found) => (found.length > 2 ? "\ufffd" : found)) : json;
}

export function encodeUint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

export function readUint32(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + offset, 4).getUint32(0);
}

type OnFrame = (type: number, id: number, payload: Uint8Array) => void;

/** Puts frames together from whatever pieces the socket delivers; joins the pieces of a large frame only once. */
export class FrameReader {
  #pieces: Uint8Array[] = [];
  #size = 0;
  #needed = LENGTH_BYTES;

  constructor(private readonly onFrame: OnFrame) {}

  /** Payloads given to `onFrame` are views: copy what must outlive the call. */
  push(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#size += piece.length;
    if (this.#size < this.#needed) return;
    const bytes = this.#pieces.length === 1 ? piece : joined(this.#pieces, this.#size);
    const rest = this.#emit(bytes);
    this.#pieces = rest.length > 0 ? [rest.slice()] : [];
    this.#size = rest.length;
    this.#needed = rest.length < LENGTH_BYTES ? LENGTH_BYTES : LENGTH_BYTES + readUint32(rest, 0);
  }

  #emit(bytes: Uint8Array): Uint8Array {
    let at = 0;
    while (bytes.length - at >= LENGTH_BYTES) {
      const end = at + LENGTH_BYTES + readUint32(bytes, at);
      if (end > bytes.length) break;
      this.onFrame(bytes[at + 4] ?? 0, readUint32(bytes, at + 5), bytes.subarray(at + HEADER_BYTES, end));
      at = end;
    }
    return bytes.subarray(at);
  }
}

export function joined(pieces: Uint8Array[], size = pieces.reduce((sum, piece) => sum + piece.length, 0)): Uint8Array {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
