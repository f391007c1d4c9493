/** The files of one bucket. */

import { pageStorage } from "../auth/storage.js";
import type { Call } from "../call.js";
import { within } from "../deadline.js";
import { Problem } from "../problem.js";
import { pauseBefore } from "../retry.js";
import type { Transport, Wanted } from "../transport.js";
import { contentOf, sizeOf, type Whole } from "./content.js";
import { downloaded, type FileDownload, opened } from "./download.js";
import { asciiJson, checked, conditions, filePath, infoOf, variantQuery } from "./requests.js";
import type {
  CopyOptions,
  DownloadOptions,
  FileConditions,
  FileContent,
  FileInfo,
  FilePage,
  ListOptions,
  RemovedFile,
  StoredFile,
  Transformed,
  UploadOptions,
} from "./types.js";

const TIMEOUT_MS = 30_000;
const PART_BYTES = 8 << 20; // as in sources.ts, which is loaded later
const SLOWEST_BYTES_PER_MS = 32; // by default, an upload has a second for each 32 kB, in addition to the timeout

/** Loads the module that sends files in parts and reports progress. */
async function later(): Promise<typeof import("./later.js")> {
  try {
    return await import("./later.js");
  } catch (cause) {
    throw new Problem({ code: "network", detail: "A part of bunbase-js could not be loaded. Load the page again." }, { cause });
  }
}

/** The calls that apps and servers have. bunbase-admin adds signed links. */
export class BucketFiles {
  readonly name: string;
  /** @internal */
  readonly transport: Transport;

  /** @internal */
  constructor(name: string, transport: Transport) {
    this.name = name;
    this.transport = transport;
  }

  /**
   * Stores a file, and replaces a file with the same key. When the call returns, the file is on the server's disk. If
   * the call fails, the present file stays as it was.
   *
   * ```ts
   * const photo = await client.files.bucket("photos").upload(`${owner}/rye.jpg`, blob, {
   *   contentType: "image/jpeg",
   *   onProgress: ({ sent, total }) => console.log(sent, total),
   * });
   * ```
   */
  async upload(key: string, content: FileContent, options: UploadOptions = {}): Promise<StoredFile> {
    const { contentType, cacheControl, metadata, ifAbsent, ifMatch, onProgress, resumable, ...call } = options;
    checked(call);
    const where = filePath(this.name, key);
    const body = contentOf(content);
    const type = contentType ?? ((body as Blob).type || undefined);
    const headers = {
      ...(type && { "Content-Type": type }),
      ...(cacheControl && { "Cache-Control": cacheControl }),
      ...(metadata && { "X-Bunbase-Metadata": asciiJson(metadata) }),
      ...conditions({ ifAbsent, ifMatch }),
    };
    const { transport } = this;
    const { timeoutMs = TIMEOUT_MS, storage } = transport.options;
    const patience = (bytes: number) => timeoutMs + bytes / SLOWEST_BYTES_PER_MS;
    const put = (whole: Whole, own?: typeof fetch) => {
      const wanted: Wanted = { method: "PUT", path: where, raw: whole, headers, fetch: own };
      // after a lost answer, the condition of a second attempt would fail because of the first
      wanted.repeatable = !ifAbsent && ifMatch === undefined;
      return transport.json<StoredFile>(wanted, { ...call, timeoutMs: call.timeoutMs ?? patience(sizeOf(whole)!) });
    };
    const size = sizeOf(body);
    if (size !== undefined && !onProgress && !(resumable ?? size > PART_BYTES)) return put(body as Whole);
    const tools = { transport, put, isProblem: Problem.is, pauseBefore, patience, within, storage: storage === undefined ? pageStorage() : storage };
    const { resumableUpload } = await later();
    return resumableUpload(tools, { bucket: this.name, key, content: body, size, type, options, call, headers });
  }

  /**
   * Opens a file for reading. The call returns when the answer begins; read its content with `blob()`, `bytes()`,
   * `text()` or `stream`. Throws `object_not_found`, also for a file that a rule hides.
   *
   * ```ts
   * const { info, stream } = await client.files.bucket("photos").download("rye.jpg", { range: { start: 0, end: 1024 } });
   * const small = await client.files.bucket("photos").download("rye.jpg", { transform: { width: 400, format: "webp" } });
   * ```
   */
  async download(key: string, options: DownloadOptions = {}): Promise<FileDownload> {
    const { range: _, transform: _variant, ...call } = options;
    checked(call);
    return downloaded(this.transport, this.name, key, options);
  }

  /**
   * Returns the properties of a file without its content. Throws `object_not_found`.
   *
   * ```ts
   * const { size, metadata } = await client.files.bucket("photos").head("rye.jpg");
   * ```
   */
  async head(key: string, call: Call = {}): Promise<FileInfo> {
    const wanted = { method: "HEAD", path: filePath(this.name, key), repeatable: true };
    const found = await this.transport.sent(wanted, checked(call), async (response) => response);
    if (found.ok) return infoOf(this.name, key, found);
    // the answer to HEAD has no body, and so no code: the answer to GET has one
    const again = await opened(this.transport, filePath(this.name, key), call, {});
    await again.body?.cancel();
    return infoOf(this.name, key, again);
  }

  /**
   * Returns the properties of a file, or null if there is no such file.
   *
   * ```ts
   * const found = await client.files.bucket("photos").find("rye.jpg");
   * ```
   */
  async find(key: string, call?: Call): Promise<FileInfo | null> {
    try {
      return await this.head(key, call);
    } catch (problem) {
      if (Problem.is(problem, "object_not_found")) return null;
      throw problem;
    }
  }

  /**
   * Returns one page of files and groups, in the order of the bytes of their keys. The rule `list` is a filter.
   *
   * ```ts
   * const { items, prefixes, next } = await client.files.bucket("photos").list({ prefix: "2026/", delimiter: "/" });
   * ```
   */
  async list(options: ListOptions = {}, call?: Call): Promise<FilePage> {
    const { prefix, delimiter, limit, cursor, ...rest } = options;
    checked(rest as Call);
    const given = Object.entries({ prefix, delimiter, limit, cursor }).filter(([, value]) => value !== undefined && value !== null);
    const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
    return this.transport.json({ method: "GET", path: `/v1/storage/list/${encodeURIComponent(this.name)}?${search}`, repeatable: true }, call);
  }

  /**
   * Yields all files with a prefix, page by page. `limit` is the size of a page.
   *
   * ```ts
   * for await (const { key, size } of client.files.bucket("photos").all({ prefix: "2026/" })) console.log(key, size);
   * ```
   */
  async *all(options: ListOptions = {}, call?: Call): AsyncGenerator<StoredFile, void, void> {
    for (let cursor = options.cursor ?? null; ; ) {
      const { items, next } = await this.list({ ...options, cursor }, call);
      yield* items;
      if (next === null) return;
      cursor = next;
    }
  }

  /**
   * Removes a file. Throws `object_not_found` if there is no such file, and `object_changed` if a condition does not hold.
   *
   * ```ts
   * await client.files.bucket("photos").remove("rye.jpg");
   * ```
   */
  async remove(key: string, { ifMatch, ...call }: FileConditions & Call = {}): Promise<void> {
    const headers = conditions({ ifMatch });
    await this.transport.json({ method: "DELETE", path: filePath(this.name, key), headers }, checked(call));
  }

  /**
   * Removes up to 1,000 files, and returns the result of each key. A missing file counts as removed.
   *
   * ```ts
   * const refused = (await client.files.bucket("photos").removeMany(["a.jpg", "b.jpg"])).filter(({ deleted }) => !deleted);
   * ```
   */
  async removeMany(keys: readonly string[], call: Call = {}): Promise<RemovedFile[]> {
    const body = { bucket: this.name, keys };
    const { items } = await this.transport.json<{ items: RemovedFile[] }>(
      { method: "POST", path: "/v1/storage/delete", body, repeatable: true },
      checked(call),
    );
    return items;
  }

  /**
   * Copies a file. The server copies no bytes, so a copy of a large file is as fast as that of a small file.
   *
   * ```ts
   * await client.files.bucket("photos").copy("rye.jpg", "covers/rye.jpg", { overwrite: false });
   * ```
   */
  async copy(from: string, to: string, options?: CopyOptions): Promise<StoredFile> {
    return this.#copied("copy", from, to, options);
  }

  /**
   * Moves a file to another key, or to another bucket.
   *
   * ```ts
   * await client.files.bucket("photos").move("rye.jpg", "2026/rye.jpg", { bucket: "archive" });
   * ```
   */
  async move(from: string, to: string, options?: CopyOptions): Promise<StoredFile> {
    return this.#copied("move", from, to, options);
  }

  #copied(verb: string, from: string, to: string, options: CopyOptions = {}): Promise<StoredFile> {
    const { bucket = this.name, overwrite, contentType, cacheControl, metadata, ...call } = options;
    const body = {
      ...{ from: { bucket: this.name, key: from }, to: { bucket, key: to } },
      ...{ overwrite, content_type: contentType, cache_control: cacheControl, metadata },
    };
    // a move that has succeeded finds no source the second time
    const repeatable = verb === "copy" && overwrite !== false;
    return this.transport.json({ method: "POST", path: `/v1/storage/${verb}`, body, repeatable }, checked(call));
  }
}

export class Bucket extends BucketFiles {
  /**
   * Returns the address of a file, for example for an `<img>` tag. Everybody can open it if the bucket is public, or if
   * its rule `get` allows visitors. This sends no request.
   *
   * ```ts
   * const address = client.files.bucket("covers").url("rye.jpg");
   * const small = client.files.bucket("covers").url("rye.jpg", { transform: { width: 400 } });
   * ```
   */
  url(key: string, { transform }: Transformed = {}): string {
    const { origin, key: publishable } = this.transport;
    return `${origin}${filePath(this.name, key)}?key=${encodeURIComponent(publishable)}${variantQuery(transform, "&")}`;
  }
}
