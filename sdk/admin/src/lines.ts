/** Exports and imports: lines of JSON that are never in memory as a whole. */

import { type Call, Problem } from "bunbase-js";
import { invalidValue, problemOf, readJson, search, writeJson } from "bunbase-js/internal";
import type { Connection } from "./connection.js";

/** Text or bytes of lines, as they are in a file, or objects, each of which becomes a line. */
export type Lines = string | Part | AsyncIterable<Part> | Iterable<Part> | ReadableStream<Part>;
type Part = string | Uint8Array | Readonly<Record<string, unknown>>;

/** A line that was refused, by its number from 1. */
export interface LineError {
  line: number;
  code: string;
  detail: string;
}

type Values = Record<string, string | number | boolean | undefined>;

const NEWLINE = 10;
const MAX_LINE_BYTES = 4 << 20; // no line of BunBase is longer
const PIECE_BYTES = 64 << 10; // smaller parts are joined, because each piece costs a turn of the event loop
const TYPE = "application/x-ndjson";

/** Returns the lines of an export. `position` finds the place of a line, from which another export continues. @internal */
export async function exported(
  connection: Connection,
  address: string,
  query: Values,
  call: Call,
  position: (line: Record<string, unknown>) => unknown,
): Promise<ReadableStream<Uint8Array>> {
  const response = await connection.sender.raw({ method: "GET", path: address + search(query) }, call);
  if (!response.ok) throw problemOf(response, await response.text());
  const reader = response.body!.getReader();
  const last = new LastLine();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (done) return controller.close();
          last.add(value);
          controller.enqueue(value);
        } catch (cause) {
          const line = last.value();
          controller.error(broken(call, cause, line && position(line)));
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

function broken({ signal }: Call, cause: unknown, after: unknown): Problem {
  if (signal?.aborted) return new Problem({ code: "aborted", detail: "The export was aborted by its signal." }, { cause: signal.reason });
  const detail = `The export broke off. ${after ? `Continue it with after: ${JSON.stringify(after)}.` : "Begin it again."}`;
  return new Problem({ code: "network", detail, after }, { cause });
}

/** Keeps the last complete line of a stream. */
class LastLine {
  #whole: Uint8Array[] = [];
  #begun: Uint8Array[] = [];

  add(chunk: Uint8Array): void {
    const end = chunk.lastIndexOf(NEWLINE);
    if (end < 0) return void this.#begun.push(chunk);
    const start = end > 0 ? chunk.lastIndexOf(NEWLINE, end - 1) : -1;
    this.#whole = start < 0 ? [...this.#begun, chunk.subarray(0, end)] : [chunk.subarray(start + 1, end)];
    this.#begun = end + 1 < chunk.length ? [chunk.subarray(end + 1)] : [];
  }

  value(): Record<string, unknown> | undefined {
    const decoder = new TextDecoder();
    const text = this.#whole.map((part) => decoder.decode(part, { stream: true })).join("") + decoder.decode();
    return text ? (readJson(text) as Record<string, unknown>) : undefined;
  }
}

/** Sends lines as one request, and returns the answer. @internal */
export async function imported<T extends { errors: LineError[] }>(
  connection: Connection,
  address: string,
  lines: Lines,
  call: Call,
  onError: ((error: LineError) => void) | undefined,
): Promise<T> {
  const whole = typeof lines === "string" || lines instanceof Uint8Array ? lines : undefined;
  const headers = { "Content-Type": TYPE };
  let failed: { error: unknown } | undefined; // of the lines themselves: `fetch` would hide it in an error of the network
  const raw = (whole ?? streamOf(lines as Exclude<Lines, string>, (error) => (failed = { error }))) as BodyInit;
  const wanted = { method: "POST", path: address, raw, headers };
  const answer = await connection.send<T>(wanted, { timeoutMs: Infinity, ...call }).catch((problem: unknown) => {
    throw failed ? failed.error : problem;
  });
  if (onError) for (const error of answer.errors) onError(error);
  return answer;
}

type Parts = AsyncIterator<Part> | Iterator<Part>;

function streamOf(lines: Exclude<Lines, string>, onError: (error: unknown) => void): ReadableStream<Uint8Array> {
  const parts = iterator(lines);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const piece = await pieceOf(parts);
          if (piece.length) controller.enqueue(piece);
          if (piece.length < PIECE_BYTES) controller.close();
        } catch (error) {
          onError(error);
          controller.error(error);
        }
      },
      cancel: async () => void (await parts.return?.()),
    },
    { highWaterMark: 0 },
  );
}

/** Returns the next part of the body. One that is smaller than a piece is the last one. */
async function pieceOf(parts: Parts): Promise<Uint8Array> {
  const found: Uint8Array[] = [];
  let size = 0;
  while (size < PIECE_BYTES) {
    const { done, value } = await parts.next();
    if (done) break;
    const bytes = bytesOf(value);
    found.push(bytes);
    size += bytes.length;
  }
  return joined(found, size);
}

function iterator(lines: Exclude<Lines, string>): Parts {
  if (typeof lines === "object" && Symbol.asyncIterator in lines) return lines[Symbol.asyncIterator]() as AsyncIterator<Part>;
  if (lines instanceof ReadableStream) return reading(lines);
  if (typeof lines === "object" && Symbol.iterator in lines) return (lines as Iterable<Part>)[Symbol.iterator]();
  throw invalidValue("lines", "Pass a text, a stream, or something to iterate over: lines of JSON, or objects.");
}

/** Safari and older runtimes cannot iterate over a stream. */
async function* reading(stream: ReadableStream<Part>): AsyncGenerator<Part, void, void> {
  const reader = stream.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
  } finally {
    await reader.cancel();
  }
}

function bytesOf(part: Part): Uint8Array {
  if (part instanceof Uint8Array) return part;
  const text = typeof part === "string" ? part : `${writeJson(part)}\n`;
  if (typeof part === "object" && text.length > MAX_LINE_BYTES) throw invalidValue("lines", "A line is longer than 4 MiB.");
  return new TextEncoder().encode(text);
}

function joined(pieces: readonly Uint8Array[], size: number): Uint8Array {
  if (pieces.length === 1) return pieces[0]!;
  const whole = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
