/**
 * Unpacks the body of an answer as browsers do: with several codings, an empty body, and `deflate` without the zlib
 * header.
 *
 * The worker unpacks the body, and not the host, so that a body that grows to gigabytes harms only this worker.
 */

import type { Body } from "./asks.ts";
import { lengthOf } from "./primordials.ts";

type Coding = "gzip" | "deflate" | "deflate-raw" | "brotli" | "zstd";
type Bytes = Uint8Array<ArrayBuffer>;
type Reader = {
  read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
  cancel(reason?: unknown): Promise<void>;
};

const CODINGS: Readonly<Record<string, Coding>> = {
  gzip: "gzip",
  "x-gzip": "gzip",
  deflate: "deflate",
  br: "brotli",
  zstd: "zstd",
};
const MAX_CODINGS = 5; // curl has the same limit
export const ACCEPTED = "gzip, deflate, br";

/**
 * Returns the unpacked body, and removes the headers that are no longer true, because a function may return this
 * response as its own answer. A body with an unknown coding stays unchanged. `explain`: makes the error for a body that
 * cannot be unpacked.
 */
export function unpack(body: Body, headers: Headers, explain: (coding: string) => Error): Body {
  const named = (headers.get("content-encoding") ?? "").toLowerCase().split(",").map((name) => name.trim());
  const packed = named.filter((name) => name !== "" && name !== "identity");
  if (packed.length === 0 || packed.length > MAX_CODINGS || !packed.every((name) => name in CODINGS)) return body;
  headers.delete("content-encoding");
  headers.delete("content-length");
  return packed.reduceRight((inner, name) => unpacked(inner, CODINGS[name] as Coding, () => explain(name)), body);
}

function unpacked(body: Body, coding: Coding, explain: () => Error): Body {
  if (!(body instanceof ReadableStream) && lengthOf(body) === 0) return body;
  let source: Reader | undefined;
  let reader: Reader | undefined;
  let failure: { reason: unknown } | undefined;

  /** Reads the packed bytes again from the first byte, and remembers an error that unpacking has not caused. */
  function replay(first: Bytes, from: Reader): ReadableStream<Bytes> {
    let next: Bytes | undefined = first;
    return new ReadableStream<Bytes>({
      async pull(controller) {
        try {
          const { done, value } = next === undefined ? await from.read() : { done: false, value: next };
          next = undefined;
          if (done) controller.close();
          else controller.enqueue(value as Bytes);
        } catch (reason) {
          failure = { reason };
          controller.error(reason);
        }
      },
      cancel: (reason) => from.cancel(reason),
    }, { highWaterMark: 0 });
  }

  async function open(): Promise<Reader | undefined> {
    source = (body instanceof ReadableStream ? body : new Response(body as Bytes).body)?.getReader() as Reader;
    for (let read = await source.read(); !read.done; read = await source.read()) {
      const first = read.value as Bytes;
      if (lengthOf(first) > 0) return unpackedBy(replay(first, source), codingOf(coding, first));
    }
    return undefined;
  }

  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        reader ??= await open();
        const read = await reader?.read();
        if (read === undefined || read.done) controller.close();
        else controller.enqueue(read.value as Uint8Array);
      } catch (error) {
        controller.error(failure !== undefined ? failure.reason : reader === undefined ? error : explain());
      }
    },
    cancel: (reason) => (reader ?? source)?.cancel(reason),
  }, { highWaterMark: 0 });
}

function unpackedBy(packed: ReadableStream<Bytes>, coding: Coding): Reader {
  return packed.pipeThrough(new DecompressionStream(coding as "gzip")).getReader() as Reader;
}

/**
 * Detects `deflate` without the zlib header, which some servers send. The lower half of the header's first byte is 8;
 * other data never begin in this way.
 */
function codingOf(coding: Coding, first: Uint8Array): Coding {
  return coding === "deflate" && ((first[0] ?? 0) & 0x0f) !== 8 ? "deflate-raw" : coding;
}
