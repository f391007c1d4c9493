/** The content of an upload: bytes that can be sent again, or a stream that can be read once. */

import { invalidValue } from "../problem.js";
import type { FileContent } from "./types.js";

/** Content with a known size. @internal */
export type Whole = Blob | Uint8Array<ArrayBuffer>;
/** @internal */
export type Streamed = ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/** @internal */
export function contentOf(content: FileContent): Whole | Streamed {
  if (typeof content === "string") return new TextEncoder().encode(content);
  if (content instanceof ArrayBuffer) return new Uint8Array(content);
  if (ArrayBuffer.isView(content)) return new Uint8Array(content.buffer as ArrayBuffer, content.byteOffset, content.byteLength);
  const { size, getReader } = (content ?? {}) as { size?: unknown; getReader?: unknown };
  const streams = typeof getReader === "function" || (typeof content === "object" && content !== null && Symbol.asyncIterator in content);
  if (typeof size === "number" || streams) return content as Blob | Streamed;
  throw invalidValue("content", "Pass a Blob, bytes, a text or a stream.");
}

/** Returns the number of bytes, or undefined for a stream. @internal */
export function sizeOf(content: Whole | Streamed): number | undefined {
  const { size, byteLength } = content as { size?: number; byteLength?: number };
  return byteLength ?? size;
}
