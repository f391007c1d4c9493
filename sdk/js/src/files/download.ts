/** A download that continues after a lost connection. */

import type { Call } from "../call.js";
import type { Deadline } from "../deadline.js";
import { invalidValue, Problem } from "../problem.js";
import { pauseBefore } from "../retry.js";
import { answerOf, type Transport } from "../transport.js";
import { filePath, infoOf, variantQuery } from "./requests.js";
import type { DownloadOptions, FileInfo } from "./types.js";

const RETRIES = 2;

export class FileDownload {
  readonly info: FileInfo;
  /**
   * The bytes. If the connection breaks, the stream continues at the same byte. If the file was replaced meanwhile, the
   * stream throws `object_changed`. `timeoutMs` is the timeout for each piece.
   */
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;

  /** @internal */
  constructor(info: FileInfo, stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.info = info;
    this.stream = stream;
  }

  /**
   * Returns the bytes as a Blob, for example for `URL.createObjectURL`.
   *
   * ```ts
   * const blob = await (await client.files.bucket("photos").download("rye.jpg")).blob();
   * ```
   */
  async blob(): Promise<Blob> {
    return new Blob(await this.#pieces(), { type: this.info.content_type });
  }

  /**
   * Returns the bytes.
   *
   * ```ts
   * const bytes = await (await client.files.bucket("photos").download("rye.jpg")).bytes();
   * ```
   */
  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await (await this.blob()).arrayBuffer());
  }

  /**
   * Returns the content as a text.
   *
   * ```ts
   * const text = await (await client.files.bucket("notes").download("readme.md")).text();
   * ```
   */
  async text(): Promise<string> {
    return (await this.blob()).text();
  }

  async #pieces(): Promise<Uint8Array<ArrayBuffer>[]> {
    const reader = this.stream.getReader();
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    for (let part = await reader.read(); !part.done; part = await reader.read()) pieces.push(part.value);
    return pieces;
  }
}

/** Opens a file for reading. @internal */
export async function downloaded(
  transport: Transport,
  bucket: string,
  key: string,
  { range, transform, ...call }: DownloadOptions,
): Promise<FileDownload> {
  const path = filePath(bucket, key) + variantQuery(transform, "?");
  const first = await opened(transport, path, call, { ...(range && { Range: rangeOf(range) }) });
  const info = infoOf(bucket, key, first);
  const [, start, last] = /^bytes (\d+)-(\d+)/.exec(first.headers.get("Content-Range") ?? "") ?? [0, 0, info.size - 1];
  const end = Number(last) + 1;
  let at = Number(start);
  let reader = first.body?.getReader();
  let failures = 0;
  const retries = call.retries ?? transport.options.retries ?? RETRIES;

  /** Returns the next bytes, or undefined at the end. */
  const next = async (deadline: Deadline): Promise<Uint8Array<ArrayBuffer> | undefined> => {
    while (at < end) {
      try {
        const headers = { Range: `bytes=${at}-${end - 1}`, "If-Match": `"${info.etag}"` };
        reader ??= (await opened(transport, path, { ...call, retries: 0 }, headers)).body!.getReader();
        const { value } = await deadline.race(reader.read());
        if (!value) throw new TypeError("The answer ended too early.");
        at += value.length;
        failures = 0;
        return value;
      } catch (error) {
        reader?.cancel().catch(() => {});
        reader = undefined;
        const problem = deadline.ended(error) ?? (Problem.is(error) ? error : transport.lost(error));
        const pause = failures < retries ? pauseBefore(failures++, problem) : undefined;
        if (pause === undefined) throw problem;
        await deadline.pause(pause);
      }
    }
    return undefined;
  };

  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        const piece = await transport.within(call, next);
        if (piece) controller.enqueue(piece);
        else controller.close();
      },
      async cancel(reason) {
        await reader?.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  return new FileDownload(info, stream);
}

/** Returns a successful answer whose body is read later. Throws a Problem. @internal */
export function opened(transport: Transport, path: string, call: Call, headers: Record<string, string>): Promise<Response> {
  const wanted = { method: "GET", path, headers, repeatable: true, streams: true };
  return transport.sent(wanted, call, async (response, text) => {
    if (response.ok) return response;
    const problem = answerOf(response, await text());
    // Chromium's cache answers this itself, without a body
    if (response.status !== 416 || !Problem.is(problem, "unexpected_answer")) throw problem;
    throw new Problem({ code: "range_not_satisfiable", status: 416, detail: "The file has no bytes in this range." });
  });
}

function rangeOf({ start, end }: { start: number; end?: number | undefined }): string {
  const whole = Number.isSafeInteger(start) && (end === undefined || (Number.isSafeInteger(end) && start >= 0 && end > start));
  if (!whole) throw invalidValue("range", "`start` and `end` are whole numbers, and `end` is behind `start`.");
  return start < 0 ? `bytes=${start}` : `bytes=${start}-${end === undefined ? "" : end - 1}`;
}
