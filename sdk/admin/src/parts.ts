/** Splits an import into parts. Each part consists of whole lines and fits into memory. */

import { invalidValue, writeJson } from "bunbase-js/internal";

/** The text or the bytes of lines, as in a file, or objects: each object becomes a line. */
export type Lines = string | Uint8Array | AsyncIterable<Piece> | Iterable<Piece> | ReadableStream<Piece>;
type Piece = string | Uint8Array | Readonly<Record<string, unknown>>;

/** Some whole lines. `first`: the number of the first line, counted from 1. @internal */
export interface Part {
  bytes: Uint8Array<ArrayBuffer>;
  first: number;
  count: number;
}

const NEWLINE = 10;
const PART_BYTES = 4 << 20;
const MAX_LINE_BYTES = 16 << 20; // limits the memory; the server refuses much shorter lines

/** Yields the lines, beginning with line number `from`. @internal */
export async function* partsOf(lines: Lines, from: number): AsyncGenerator<Part, void, void> {
  let first = 1;
  for await (const bytes of blocks(lines)) {
    const count = countOf(bytes);
    if (first + count > from) {
      const skipped = Math.max(0, from - first);
      yield { bytes: bytes.subarray(offset(bytes, skipped)), first: first + skipped, count: count - skipped };
    }
    first += count;
  }
}

/** Yields blocks of whole lines. Only the last line may have no newline at its end. */
async function* blocks(lines: Lines): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  let pieces: Uint8Array[] = [];
  let [size, end] = [0, 0]; // `end`: the bytes up to the last newline
  for await (const piece of bytesOf(lines)) {
    const last = piece.lastIndexOf(NEWLINE);
    if (last >= 0) end = size + last + 1;
    pieces.push(piece);
    size += piece.length;
    if (size - end > MAX_LINE_BYTES) throw invalidValue("lines", "A line has at most 16 MiB. Is this NDJSON?");
    if (size < PART_BYTES || !end) continue;
    const whole = joined(pieces, size);
    yield whole.subarray(0, end);
    pieces = [whole.slice(end)];
    [size, end] = [size - end, 0];
  }
  if (size) yield joined(pieces, size);
}

async function* bytesOf(lines: Lines): AsyncGenerator<Uint8Array, void, void> {
  const encoder = new TextEncoder();
  for await (const piece of each(lines)) {
    const isBytes = piece instanceof Uint8Array;
    const bytes = isBytes ? piece : encoder.encode(typeof piece === "string" ? piece : `${writeJson(piece)}\n`);
    // a large piece, such as a whole file, is cut, so that no block is much larger than a part
    for (let at = 0; at < bytes.length; at += PART_BYTES) yield bytes.subarray(at, at + PART_BYTES);
  }
}

function each(lines: Lines): AsyncIterable<Piece> | Iterable<Piece> {
  if (typeof lines === "string" || lines instanceof Uint8Array) return [lines];
  if (typeof lines === "object" && lines !== null) {
    if (Symbol.asyncIterator in lines) return lines as AsyncIterable<Piece>;
    if (lines instanceof ReadableStream) return reading(lines);
    if (Symbol.iterator in lines) return lines;
  }
  throw invalidValue("lines", "Pass a text, a stream, or something to iterate over: lines of JSON, or objects.");
}

/** Yields the chunks of a stream with a reader, because older runtimes cannot iterate over a stream. */
async function* reading(stream: ReadableStream<Piece>): AsyncGenerator<Piece, void, void> {
  const reader = stream.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
  } finally {
    await reader.cancel();
  }
}

function countOf(bytes: Uint8Array): number {
  let count = bytes.length && bytes[bytes.length - 1] !== NEWLINE ? 1 : 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count++;
  return count;
}

/** Returns the byte position at which the next line after the first `lines` lines begins. @internal */
export function offset(bytes: Uint8Array, lines: number): number {
  let at = 0;
  for (let left = lines; left > 0; left--) at = bytes.indexOf(NEWLINE, at) + 1 || bytes.length;
  return at;
}

/** @internal */
export function joined(pieces: readonly Uint8Array[], size: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
